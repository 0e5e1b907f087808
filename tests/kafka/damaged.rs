//! Bytes that change in a broker's log: what cannot be read is neither handled nor passed over.

use std::thread;
use std::time::Duration;

use crate::broker::Kafka;
use crate::client::{committed, create_topic, ends, produce_batch};
use crate::members::{Group, PROTOCOLS, none_is_lost};
use crate::service::Service;
use crate::wait::{PATIENCE, wait_quickly, wait_until};

fn order(id: u64) -> String {
    format!(r#"{{"id":{id},"item":"pen","quantity":2}}"#)
}

/// Ten orders in one batch of one partition.
fn write(kafka: &Kafka, topic: &str, partition: i32, first: u64) {
    produce_batch(&kafka.address(), topic, partition, first, 10, order);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Java and Maven"]
fn what_cannot_be_read_is_told_and_waited_for_and_costs_nothing() {
    let kafka = Kafka::start("damaged");
    let brokers = kafka.address();
    create_topic(&brokers, "orders", 3);
    create_topic(&brokers, "invoices", 1);
    create_topic(&brokers, "orders-dlt", 1);
    // In the middle of a log, and at its end; the third one is sound.
    for (partition, first) in [(0, 100), (0, 110), (0, 120), (1, 130), (1, 140), (2, 150)] {
        write(&kafka, "orders", partition, first);
    }
    kafka.overwrite("orders", 0, r#""id":115"#, r#""id":915"#);
    kafka.overwrite("orders", 1, r#""id":145"#, r#""id":945"#);
    let is_at = |expected: [i64; 3]| committed(&brokers, "billing", "orders", 3).into_values().eq(expected);

    let service = Service::start(&brokers, "damaged", &["session.timeout.ms=6000"]);
    for partition in ["orders/0", "orders/1"] {
        service.logs(PATIENCE, &["WARN", partition, "at offset 10 cannot be read", "CRC32C", "mend the log"]);
    }
    wait_until("what comes before and beside it is committed", PATIENCE, || is_at([10, 10, 10]));
    service.is_at_rest("two partitions that cannot be read", Duration::from_secs(6), 10);
    write(&kafka, "orders", 2, 160);
    wait_until("the sound one goes on", PATIENCE, || is_at([10, 10, 20]));
    let told = service.log().lines().filter(|line| line.contains("cannot be read")).count();
    assert_eq!(told, 2, "each once:\n{}", service.log());

    kafka.overwrite("orders", 0, r#""id":915"#, r#""id":115"#);
    kafka.overwrite("orders", 1, r#""id":945"#, r#""id":145"#);
    wait_until("all is handled once it can be read", PATIENCE, || is_at([30, 20, 20]));
    service.logs(PATIENCE, &["INFO", "what was damaged can be read now", "partition=1"]);
    assert_eq!(ends(&brokers, "invoices", 1), [(0, 70)].into(), "each order is billed once");
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
#[ignore = "needs Java and Maven"]
fn what_cannot_be_read_for_a_while_is_handled_once_though_its_partition_moves() {
    let kafka = Kafka::start("mended");
    thread::scope(|scope| {
        for protocol in PROTOCOLS {
            let kafka = &kafka;
            scope.spawn(move || {
                let name = format!("mended-{protocol:?}");
                create_topic(&kafka.address(), &name, 2);
                for (partition, first) in [(0, 0), (1, 10), (0, 20), (1, 30), (0, 40), (1, 50)] {
                    write(kafka, &name, partition, first);
                }
                kafka.overwrite(&name, 0, r#""id":25"#, r#""id":95"#);
                kafka.overwrite(&name, 1, r#""id":35"#, r#""id":85"#);
                let group = Group::new(&kafka.address(), &name, protocol, 2);
                let first = group.join();
                wait_quickly("what comes before is handled", || first.count() == 20);
                let second = group.join();
                first.owns(&name, 1);
                second.owns(&name, 1);
                thread::sleep(Duration::from_secs(1));
                assert_eq!((first.count(), second.count()), (20, 0), "{name}: nothing behind it is handled");
                kafka.overwrite(&name, 0, r#""id":95"#, r#""id":25"#);
                kafka.overwrite(&name, 1, r#""id":85"#, r#""id":35"#);
                group.all_is_committed(&name);
                let mut all = first.stop_cleanly(&name);
                all.extend(second.stop_cleanly(&name));
                assert_eq!(none_is_lost(&name, &all, 60), 0, "{name}: handled again");
            });
        }
    });
}

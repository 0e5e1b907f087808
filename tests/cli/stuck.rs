//! Handlers that block every thread there is: a signal ends the process all the same.

use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::mocking::MockCluster;
use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::program::service;

const LIMIT: Duration = Duration::from_secs(20);

/// Both tests measure how long a process takes to end: one at a time.
static TIMED: Mutex<()> = Mutex::new(());

#[test]
fn a_signal_ends_a_service_whose_handlers_block_every_thread() {
    let _alone = TIMED.lock().unwrap_or_else(PoisonError::into_inner);
    // The drain time of 1 s, and 2 s; a busy machine adds to it.
    let (took, log) = play(&[("-TERM", Duration::ZERO)], 2);
    assert!(took < Duration::from_millis(3_500), "only after {took:?}");
    assert!(log.contains("stuck/0") || log.contains("topic=stuck partition=0 offset=0"), "{log}");
    assert!(log.contains("handlers block every thread"), "{log}");
    println!("a service whose handlers block every thread ended {took:?} after SIGTERM");
}

#[test]
fn a_second_signal_ends_it_at_once_unless_it_is_the_first_once_more() {
    let _alone = TIMED.lock().unwrap_or_else(PoisonError::into_inner);
    let (took, log) = play(&[("-TERM", Duration::ZERO), ("-TERM", Duration::from_millis(50))], 2);
    assert!(took > Duration::from_secs(1), "a wrapper's double signal ended it after {took:?}: {log}");
    for (first, second) in [("-TERM", "-INT"), ("-INT", "-TERM")] {
        let (took, log) = play(&[(first, Duration::ZERO), (second, Duration::from_millis(700))], 130);
        assert!(took < Duration::from_millis(700), "{first}, {second}: {took:?}: {log}");
    }
}

/// Signals, each after a pause; what it exits with. Returns how long the last one took, and the log.
fn play(signals: &[(&str, Duration)], expected: i32) -> (Duration, String) {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster.create_topic("stuck", 1, 1).expect("a topic");
    let brokers = cluster.bootstrap_servers();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("a producer");
    producer.send(BaseRecord::<(), str>::to("stuck").partition(0).payload("1")).expect("it is queued");
    producer.flush(LIMIT).expect("it is written");

    let log = std::env::temp_dir().join(format!("faststream-stuck-{}.log", std::process::id()));
    let mut service = Command::new(service("stuck"))
        .args(["-X", "group.protocol=consumer"])
        .env("KAFKA_BROKERS", &brokers)
        .env("TOKIO_WORKER_THREADS", "1")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("its log"))
        .spawn()
        .expect("the service runs");
    let text = || std::fs::read_to_string(&log).expect("its log");
    let mut wait = |what: &str, done: &mut dyn FnMut(&mut Child) -> bool| {
        let began = Instant::now();
        while !done(&mut service) {
            if began.elapsed() > LIMIT {
                let _ = service.kill();
                let _ = service.wait();
                panic!("not within {LIMIT:?}: {what}; it logged:\n{}", text());
            }
            thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    };
    wait("the handler is stuck", &mut |_| text().contains("stuck now"));
    for (signal, pause) in signals {
        thread::sleep(*pause);
        wait("the signal is sent", &mut |service| {
            let kill = Command::new("kill").args([*signal, &service.id().to_string()]).status();
            kill.expect("kill runs").success()
        });
    }
    let mut code = None;
    let took = wait("it ends", &mut |service| {
        code = service.try_wait().expect("it can be waited for");
        code.is_some()
    });
    assert_eq!(code.and_then(|status| status.code()), Some(expected), "{}", text());
    let said = text();
    let _ = std::fs::remove_file(log);
    (took, said)
}

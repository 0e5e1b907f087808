//! A broker that asks who is there: credentials that it refuses are told with their cure, and used once they are right.

use std::time::Duration;

use faststream::kafka::Protocol;

use crate::broker::Kafka;
use crate::client::{Writer, committed, create_topic, ends};
use crate::members::Group;
use crate::service::Service;
use crate::wait::{PATIENCE, wait_quickly, wait_until};

/// The name and password of the service, however the broker knows it.
const LOGIN: [&str; 5] = [
    "security.protocol=sasl_plaintext",
    "sasl.mechanisms=PLAIN",
    "sasl.username=shop",
    "sasl.password=swordfish",
    "session.timeout.ms=6000",
];
/// What is said when it knows another password, and the cure.
const REFUSED: [&str; 3] = ["WARN", "Invalid username or password", "set sasl.username and sasl.password"];

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Java and Maven"]
fn credentials_that_are_refused_are_told_with_the_cure_and_used_once_they_are_right() {
    let (mut kafka, address) = Kafka::start_guarded("guarded", "shop", "another");
    let brokers = kafka.address();
    for topic in ["orders", "invoices", "orders-dlt"] {
        create_topic(&brokers, topic, 1);
    }
    let restart = |kafka: &mut Kafka, password: &str| {
        kafka.stop();
        kafka.let_in("shop", password);
        kafka.run();
        kafka.answers();
    };
    let is_billed = |orders: i64| {
        let writer = Writer::new(&brokers);
        writer.write("orders", 0, Some(br#"{"id":1,"item":"pen","quantity":2}"#));
        wait_until("it is billed", PATIENCE, || ends(&brokers, "invoices", 1) == [(0, orders)].into());
        wait_until("it is committed", PATIENCE, || {
            committed(&brokers, "billing", "orders", 1) == [(0, orders)].into()
        });
    };

    // Built before the clock runs.
    crate::program::example("orders");
    let service = Service::start(&address, "guarded", &LOGIN);
    let refused = |who| REFUSED.into_iter().chain([who]).collect::<Vec<_>>();
    service.logs(Duration::from_secs(4), &refused(&address));
    service.is_at_rest("refused at its start", Duration::from_secs(5), 10);

    restart(&mut kafka, "swordfish");
    is_billed(1);

    restart(&mut kafka, "another");
    service.logs(Duration::from_secs(4), &refused("group billing"));
    service.is_at_rest("refused later", Duration::from_secs(5), 10);
    assert!(!service.log().contains("swordfish"), "passwords stay out of the log");

    restart(&mut kafka, "swordfish");
    is_billed(2);
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_member_that_says_who_it_is_handles_and_commits() {
    let (kafka, address) = Kafka::start_guarded("known", "shop", "swordfish");
    let brokers = kafka.address();
    create_topic(&brokers, "known", 1);
    Writer::new(&brokers).write("known", 0, Some(br#"{"id":0}"#));
    let mut group = Group::new(&address, "known", Protocol::Cooperative, 1);
    for (name, value) in LOGIN.iter().filter_map(|property| property.split_once('=')) {
        group = group.property(name, value);
    }
    let member = group.join();
    wait_quickly("the record is handled", || member.count() == 1);
    assert!(member.running.health().ready, "{:?}", member.running.health());
    wait_until("it is committed", PATIENCE, || committed(&brokers, "known", "known", 1) == [(0, 1)].into());
    member.stop_cleanly("known");
}

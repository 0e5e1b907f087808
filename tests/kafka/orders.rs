//! The README's service under fire: nothing is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::behind_proxy::number;
use crate::broker::Kafka;
use crate::client::{committed, create_topic, ends, produce, read};
use crate::service::Service;
use crate::wait::wait_until;

const PARTITIONS: i32 = 4;

fn order(id: u64) -> String {
    format!(r#"{{"id":{id},"item":"pen","quantity":2}}"#)
}

/// The orders that invoices name: distinct ones, and all.
fn billed(brokers: &str) -> (BTreeSet<u64>, usize) {
    let invoices = read(brokers, "invoices", PARTITIONS);
    let id = |payload: &Vec<u8>| {
        let invoice: serde_json::Value = serde_json::from_slice(payload).expect("an invoice");
        invoice["order"].as_u64().expect("an order's id")
    };
    (invoices.iter().map(id).collect(), invoices.len())
}

/// ORDERS sets how many; 1,000,000 take a few minutes.
#[test]
#[ignore = "needs Java and Maven"]
fn every_order_is_billed_though_processes_are_killed_and_stopped() {
    let orders = number("ORDERS", 120_000);
    let kafka = Kafka::start("orders");
    let brokers = kafka.address();
    create_topic(&brokers, "orders", PARTITIONS);
    create_topic(&brokers, "invoices", PARTITIONS);
    produce(&brokers, "orders", PARTITIONS, 0, orders, order);
    let all = ends(&brokers, "orders", PARTITIONS);
    let done = || committed(&brokers, "billing", "orders", PARTITIONS).values().sum::<i64>();
    let some = i64::try_from(orders).expect("fits") / 5;
    let limit = Duration::from_secs(600);

    let properties = ["session.timeout.ms=6000"];
    let began = Instant::now();
    let first = Service::start(&brokers, "first", &properties);
    let second = Service::start(&brokers, "second", &properties);
    wait_until("a fifth is committed", limit, || done() > some);
    first.kill();
    let first = Service::start(&brokers, "first-again", &properties);
    wait_until("two fifths are committed", limit, || done() > 2 * some);
    assert_eq!(second.terminate().code(), Some(0));
    let second = Service::start(&brokers, "second-again", &properties);
    wait_until("all is committed", limit, || committed(&brokers, "billing", "orders", PARTITIONS) == all);
    assert_eq!(first.terminate().code(), Some(0));
    assert_eq!(second.terminate().code(), Some(0));

    let (distinct, invoices) = billed(&brokers);
    let missing: Vec<u64> = (0..orders).filter(|id| !distinct.contains(id)).take(10).collect();
    assert!(missing.is_empty(), "lost: {missing:?}");
    assert_eq!(committed(&brokers, "billing", "orders", PARTITIONS), all, "committed is the end");
    println!("{orders} orders, {invoices} invoices in {:?}", began.elapsed());
}

/// STOPS sets how often.
#[test]
#[ignore = "needs Java and Maven"]
fn a_stop_with_a_backlog_commits_only_what_was_handled() {
    let stops = number("STOPS", 5);
    let kafka = Kafka::start("stops");
    let brokers = kafka.address();
    create_topic(&brokers, "orders", 1);
    create_topic(&brokers, "invoices", PARTITIONS);
    let each = 10_000;
    for stop in 0..stops {
        produce(&brokers, "orders", 1, stop * each, each, order);
        let before = committed(&brokers, "billing", "orders", 1).values().sum::<i64>();
        let service = Service::start(&brokers, &format!("stop-{stop}"), &[]);
        wait_until("it began", Duration::from_secs(30), || {
            ends(&brokers, "invoices", PARTITIONS).values().sum::<i64>() > before
        });
        assert_eq!(service.terminate().code(), Some(0));
        let committed =
            u64::try_from(committed(&brokers, "billing", "orders", 1).values().sum::<i64>()).expect("fits");
        let (distinct, _) = billed(&brokers);
        let lost: Vec<u64> = (0..committed).filter(|id| !distinct.contains(id)).take(10).collect();
        assert!(lost.is_empty(), "stop {stop}: committed {committed} and never handled: {lost:?}");
    }
    let service = Service::start(&brokers, "rest", &[]);
    let all = ends(&brokers, "orders", 1);
    wait_until("the rest is handled", Duration::from_secs(60), || {
        committed(&brokers, "billing", "orders", 1) == all
    });
    assert_eq!(service.terminate().code(), Some(0));
    assert_eq!(billed(&brokers).0.len() as u64, stops * each, "0 lost");
}

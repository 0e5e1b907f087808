//! The README's service under fire: nothing is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::behind_proxy::number;
use crate::broker::Kafka;
use crate::client::{Tail, committed, create_topic, ends, produce, read};
use crate::service::Service;
use crate::wait::wait_until;

const PARTITIONS: i32 = 4;
/// What a client fetches ahead, by default.
const FETCHED: u64 = 10_000;
/// Unhandled orders at each start of a service that is stopped: what is fetched, and what is handled until the stop.
const BACKLOG: u64 = 20 * FETCHED;

fn order(id: u64) -> String {
    format!(r#"{{"id":{id},"item":"pen","quantity":2}}"#)
}

/// The order that an invoice names.
fn billed(payload: &[u8]) -> u64 {
    let invoice: serde_json::Value = serde_json::from_slice(payload).expect("an invoice");
    invoice["order"].as_u64().expect("an order's id")
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

    let invoices = read(&brokers, "invoices", PARTITIONS);
    let distinct: BTreeSet<u64> = invoices.iter().map(|payload| billed(payload)).collect();
    let missing: Vec<u64> = (0..orders).filter(|id| !distinct.contains(id)).take(10).collect();
    assert!(missing.is_empty(), "lost: {missing:?}");
    assert_eq!(committed(&brokers, "billing", "orders", PARTITIONS), all, "committed is the end");
    println!("{orders} orders, {} invoices in {:?}", invoices.len(), began.elapsed());
}

/// STOPS sets how often. Each stop meets the service in the middle of what it has fetched: 10,000 records, and more behind.
#[test]
#[ignore = "needs Java and Maven"]
fn a_stop_with_a_backlog_commits_only_what_was_handled() {
    let stops = number("STOPS", 5);
    let kafka = Kafka::start("stops");
    let brokers = kafka.address();
    create_topic(&brokers, "orders", 1);
    create_topic(&brokers, "invoices", PARTITIONS);
    let done = || {
        let committed = committed(&brokers, "billing", "orders", 1).values().sum::<i64>();
        u64::try_from(committed).expect("no negative offset")
    };
    let mut invoices = Tail::of(&brokers, "invoices", PARTITIONS);
    let (mut distinct, mut copies) = (BTreeSet::new(), 0);
    let (mut written, mut least) = (0, BACKLOG);
    for stop in 0..stops {
        let before = done();
        produce(&brokers, "orders", 1, written, before + BACKLOG - written, order);
        written = before + BACKLOG;
        let service = Service::start(&brokers, &format!("stop-{stop}"), &[]);
        let first = invoices.next(Duration::from_secs(30));
        assert_eq!(service.terminate().code(), Some(0));
        let committed = done();
        let rest = invoices.rest();
        copies += 1 + rest.len();
        distinct.extend(rest.iter().chain([&first]).map(|payload| billed(payload)));
        let lost: Vec<u64> = (0..committed).filter(|id| !distinct.contains(id)).take(10).collect();
        assert!(lost.is_empty(), "stop {stop}: committed {committed} and never handled: {lost:?}");
        assert!(
            before < committed && committed < written,
            "stop {stop}: {before} to {committed} of {written}"
        );
        least = least.min(written - committed);
    }
    assert!(least >= FETCHED, "a stop left only {least}: it was not in the middle of what was fetched");
    let service = Service::start(&brokers, "rest", &[]);
    let all = ends(&brokers, "orders", 1);
    wait_until("the rest is handled", Duration::from_secs(60), || {
        committed(&brokers, "billing", "orders", 1) == all
    });
    assert_eq!(service.terminate().code(), Some(0));
    let rest = invoices.rest();
    copies += rest.len();
    distinct.extend(rest.iter().map(|payload| billed(payload)));
    assert_eq!(distinct.len() as u64, written, "0 lost");
    println!("{stops} stops, {written} orders, {copies} invoices; each stop left {least} or more unhandled");
}

//! Bad input to the README's service, as a process: a line that names the place, a dead letter, and life goes on.

use std::time::Duration;

use bytes::Bytes;

use crate::broker::Kafka;
use crate::client::{Writer, committed, create_topic, read, records};
use crate::service::Service;
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(30);

/// What is wrong, and what is said about it.
const BAD: [(Option<&[u8]>, &str); 5] = [
    (Some(br#"{"id":0,"item":"#), "EOF while parsing"),
    (Some(br#"{"id":"one","item":"pen","quantity":2}"#), "expected u64"),
    (Some(b"{\"id\":2,\"item\":\"\xff\xfe\",\"quantity\":2}"), "unicode"),
    (None, "tombstone"),
    (Some(b"\0\0\0\0\x07avro"), "expected value"),
];

#[test]
#[ignore = "needs Java and Maven"]
fn bad_input_is_named_and_kept_and_the_service_goes_on() {
    let kafka = Kafka::start("input");
    let brokers = kafka.address();
    for topic in ["orders", "invoices", "orders-dlt"] {
        create_topic(&brokers, topic, 1);
    }
    let writer = Writer::new(&brokers);
    let write = |payload| writer.write("orders", 0, payload);
    let service = Service::start(&brokers, "input", &["session.timeout.ms=6000"]);
    for (offset, (payload, why)) in BAD.into_iter().enumerate() {
        write(payload);
        let at = format!("offset={offset} ");
        service.logs(LIMIT, &["WARN", "topic=orders", "partition=0", &at, "handler=bill", why, "orders-dlt"]);
    }
    // About a megabyte: an id that is none, then an order among spaces.
    let large = format!(r#"{{"id":"{}","item":"pen","quantity":2}}"#, "x".repeat(990_000));
    write(Some(large.as_bytes()));
    let padded = format!(r#"{{"id":6,{}"item":"pen","quantity":2}}"#, " ".repeat(990_000));
    write(Some(padded.as_bytes()));
    wait_until("the last one is billed", LIMIT, || read(&brokers, "invoices", 1).len() == 1);
    wait_until("all are committed", LIMIT, || committed(&brokers, "billing", "orders", 1) == [(0, 7)].into());
    assert_eq!(read(&brokers, "invoices", 1), [br#"{"order":6,"total":5.0}"#]);

    let letters = records(&brokers, "orders-dlt", 1);
    let kept: Vec<_> = letters.iter().map(|(_, letter)| letter.payload.clone()).collect();
    let mut expected: Vec<_> = BAD.iter().map(|(payload, _)| payload.map(Bytes::from_static)).collect();
    expected.push(Some(large.into()));
    assert!(kept == expected, "as they were, in their order: {} dead letters", kept.len());
    // No payload in the log, not even a part of it.
    assert!(!service.log().contains("xxxx"), "payloads stay out of the log");
    assert_eq!(service.terminate().code(), Some(0));
}

//! Waiting for the broker's first answer.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::Broker;
use faststream_kafka::Kafka;
use support::{Cluster, Log, within};

/// Passes one connection on, both ways.
fn pass_on(from: TcpStream, to: &str) {
    let to = TcpStream::connect(to).unwrap();
    let pump = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = from.read(&mut bytes) {
                if count == 0 || to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
        });
    };
    pump(from.try_clone().unwrap(), to.try_clone().unwrap());
    pump(to, from);
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_broker_that_answers_is_connected_and_tells_its_topics() {
    let cluster = Cluster::with_topic("orders", 3);
    let kafka = cluster.kafka();
    let (log, _guard) = Log::collect();
    within(10, kafka.connect()).await.unwrap();
    assert_eq!(within(10, kafka.topics()).await.unwrap(), [("orders".to_owned(), 3)]);
    assert_eq!(log.text(), "");
}

#[tokio::test]
async fn an_unreachable_broker_is_named_within_two_seconds_and_awaited() {
    let address = free_address();
    let kafka = Kafka::new(address.clone());
    let (log, _guard) = Log::collect();
    let start = Instant::now();
    let mut connecting = kafka.connect();
    while log.text().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(2), "nothing was said");
        let pause = tokio::time::sleep(Duration::from_millis(20));
        tokio::select! { biased; result = &mut connecting => panic!("{result:?}"), () = pause => {} }
    }
    let text = log.text();
    assert!(text.contains(&format!("kafka at {address} (")), "{text}");
    assert!(text.contains("connect.rs:"), "{text}");
    assert!(text.contains("waiting for it: ") && text.contains("Connection refused"), "{text}");

    // The broker comes.
    let cluster = Cluster::with_topic("orders", 1);
    let listener = TcpListener::bind(&address).unwrap();
    let broker = cluster.address();
    thread::spawn(move || {
        for connection in listener.incoming() {
            pass_on(connection.unwrap(), &broker);
        }
    });
    within(10, connecting).await.unwrap();
    assert_eq!(log.text().lines().count(), 1, "said once: {}", log.text());
}

/// In virtual time, in which nobody answers.
#[tokio::test(start_paused = true)]
async fn a_broker_that_stays_away_is_named_once_a_minute() {
    let address = free_address();
    let kafka = Kafka::new(address.clone());
    let (log, _guard) = Log::collect();
    let waited = tokio::time::timeout(Duration::from_secs(182), kafka.connect()).await;
    assert!(waited.is_err(), "{waited:?}");
    let text = log.text();
    assert_eq!(text.lines().filter(|line| line.contains(&address)).count(), 4, "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[tokio::test]
async fn a_broker_that_is_silent_is_named_too() {
    // Accepts and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let kafka = Kafka::new(address.clone());
    let (log, _guard) = Log::collect();
    let waited = tokio::time::timeout(Duration::from_millis(1_900), kafka.connect()).await;
    assert!(waited.is_err(), "{waited:?}");
    assert!(log.text().contains(&format!("kafka at {address} (")), "{}", log.text());
}

#[tokio::test]
async fn topics_of_an_unreachable_broker_are_an_error_that_names_it() {
    let address = free_address();
    let error = within(15, Kafka::new(address.clone()).topics()).await.expect_err("no broker").to_string();
    assert!(error.contains(&address) && error.contains("Connection refused"), "{error}");
}

#[test]
fn the_command_line_wins_over_the_program() {
    let mut kafka = Kafka::new("localhost:9092");
    kafka.override_property("bootstrap.servers", "other:1").unwrap();
    assert_eq!(kafka.describe(), "kafka at other:1");
    kafka.override_property("metadata.broker.list", "9092").unwrap();
    let faults = kafka.check(&[]);
    assert!(faults.len() == 1 && faults[0].contains("(-X): \"9092\" is a port alone"), "{faults:?}");
}

#[test]
fn debug_masks_secrets() {
    let kafka = Kafka::new("localhost:9092").property("sasl.password", "hunter2");
    let debug = format!("{kafka:?}");
    assert!(debug.contains("sasl.password") && !debug.contains("hunter2"), "{debug}");
}

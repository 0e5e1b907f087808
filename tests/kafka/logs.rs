//! What a service logs, and what becomes of it when nobody can read that.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::Kafka;
use crate::client::{committed, create_topic, ends, produce};
use crate::program::example;
use crate::service::Service;
use crate::wait::{PATIENCE, wait_until};

/// A busy machine is late.
const SLOW: Duration = Duration::from_millis(500);

/// Killed, by its own handle, when dropped.
struct Unheard(Child);

impl Unheard {
    fn start(brokers: &str, stdout: Stdio, stderr: Stdio) -> Self {
        let mut command = Command::new(example("orders"));
        command.env("KAFKA_BROKERS", brokers).env_remove("RUST_LOG").stdin(Stdio::null());
        Self(command.stdout(stdout).stderr(stderr).spawn().expect("the example runs"))
    }

    fn terminate(&mut self) -> ExitStatus {
        let sent =
            Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_service_whose_log_cannot_be_written_handles_commits_and_drains() {
    const RECORDS: u64 = 40;
    let kafka = Kafka::start("unheard");
    let brokers = kafka.address();
    create_topic(&brokers, "orders", 1);
    // One in ten is bad, and logged.
    let order = |id: u64| {
        if id.is_multiple_of(10) {
            "bad".to_owned()
        } else {
            format!(r#"{{"id":{id},"item":"pen","quantity":2}}"#)
        }
    };
    let full =
        || -> Stdio { File::options().write(true).open("/dev/full").expect("it takes nothing").into() };
    let closed = || -> Stdio {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        writer.into()
    };
    let outputs =
        [(Stdio::null(), full()), (Stdio::null(), closed()), (full(), closed()), (closed(), full())];
    for (number, (stdout, stderr)) in (0..).zip(outputs) {
        produce(&brokers, "orders", 1, number * RECORDS, RECORDS, order);
        let all = ends(&brokers, "orders", 1);
        let mut service = Unheard::start(&brokers, stdout, stderr);
        wait_until("all is committed", PATIENCE, || committed(&brokers, "billing", "orders", 1) == all);
        assert_eq!(service.terminate().code(), Some(0));
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_stop_ends_with_what_was_done_and_while_nobody_confirms_within_its_drain_time_and_2_s() {
    const RECORDS: u64 = 150_000;
    let kafka = Kafka::start("stopped");
    let brokers = kafka.address();
    create_topic(&brokers, "orders", 2);
    create_topic(&brokers, "invoices", 2);
    let order = |id: u64| format!(r#"{{"id":{id},"item":"pen","quantity":2}}"#);
    let done = || committed(&brokers, "billing", "orders", 2).values().sum::<i64>();
    let last = |service: &Service| service.log().lines().last().expect("a line").to_owned();

    produce(&brokers, "orders", 2, 0, 20, order);
    let mut service = Service::start(&brokers, "stopped", &[]);
    service.logs(PATIENCE, &["2 partitions assigned: orders/0-1"]);
    wait_until("all is committed", PATIENCE, || done() == 20);
    assert_eq!(service.stop().code(), Some(0));
    let line = last(&service);
    assert!(line.contains("stopped after ") && line.ends_with(", 20 handled, all committed"), "{line}");

    // Results are on their way when the broker freezes.
    produce(&brokers, "orders", 2, 20, RECORDS, order);
    let mut service = Service::start(&brokers, "unconfirmed", &[]);
    let results = || ends(&brokers, "invoices", 2).values().sum::<i64>();
    wait_until("some results are written", PATIENCE, || results() > 20);
    kafka.freeze();
    let began = Instant::now();
    let status = service.stop();
    let took = began.elapsed();
    kafka.thaw();
    let log = service.log();
    println!("stopped after {took:?}");
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(took < Duration::from_secs(7) + SLOW, "{took:?}:\n{log}");
    assert!(log.contains("the results of bill were not confirmed by the broker"), "{log}");
}

/// Words that only librdkafka's authors know.
const INNER: [&str; 7] = [
    "AllBrokersDown",
    "SESSTMOUT",
    "BrokerTransportFailure",
    "REQTMOUT",
    "lanes=",
    "brokers are down",
    "in state ",
];

#[test]
#[ignore = "needs Java and Maven"]
fn a_broker_that_goes_away_is_one_line_and_one_more_when_it_is_back() {
    const AWAY: Duration = Duration::from_secs(4);
    let mut kafka = Kafka::start("gone");
    let brokers = kafka.address();
    create_topic(&brokers, "orders", 2);
    create_topic(&brokers, "invoices", 2);
    let order = |id: u64| format!(r#"{{"id":{id},"item":"pen","quantity":2}}"#);
    let done = || committed(&brokers, "billing", "orders", 2).values().sum::<i64>();
    produce(&brokers, "orders", 2, 0, 20, order);
    let mut service = Service::start(&brokers, "gone", &["session.timeout.ms=6000"]);
    wait_until("all is committed", PATIENCE, || done() == 20);
    let is_of = |words: &[&str]| {
        let log = service.log();
        log.lines()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };

    kafka.kill();
    service.logs(PATIENCE, &["WARN", &brokers, "cannot be reached: "]);
    // What else there is to be said would be said by then.
    thread::sleep(AWAY);
    kafka.run();
    kafka.answers();
    service.logs(PATIENCE, &["INFO", &brokers, "is connected again after ", " s"]);
    produce(&brokers, "orders", 2, 20, 20, order);
    wait_until("all is committed again", PATIENCE, || done() == 40);

    let (gone, back) = (is_of(&["cannot be reached"]), is_of(&["connected again"]));
    assert_eq!((gone.len(), back.len()), (1, 1), "{}", service.log());
    for word in INNER {
        assert!(is_of(&[word]).is_empty(), "{word}: {}", service.log());
    }
    assert_eq!(service.stop().code(), Some(0));
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_missing_topic_is_warned_of_once() {
    let kafka = Kafka::start("missing");
    let brokers = kafka.address();
    create_topic(&brokers, "invoices", 1);
    let mut service = Service::start(
        &brokers,
        "missing",
        &["allow.auto.create.topics=false", "topic.metadata.refresh.interval.ms=1000"],
    );
    service.logs(PATIENCE, &["WARN", "`orders`", "does not exist"]);
    // librdkafka looks once a second.
    thread::sleep(Duration::from_secs(3));
    create_topic(&brokers, "orders", 1);
    service.logs(PATIENCE, &["1 partition assigned: orders/0"]);
    let log = service.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert_eq!(service.stop().code(), Some(0));
}

//! The service whose rights change: its results tell what it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use faststream::kafka::{Kafka, KafkaConfig};
use faststream::{Environment, FastStream, State, publisher, subscriber};
use faststream_core::app::{LaunchOptions, Running, StartOptions};
use serde::{Deserialize, Serialize};

use super::taken::{dead, results};
use crate::members::{Group, RUNTIME};

/// Every so many is bad, where bad ones are no reason to stand still.
const BAD: u64 = 50;

#[derive(Serialize, Deserialize)]
pub(super) struct Tick {
    pub(super) id: u64,
}

/// How often the handler was called, by partition.
#[derive(Default)]
pub(super) struct Calls([AtomicU64; 2]);

impl Calls {
    fn handle(&self, tick: Tick, is_bad: bool) -> Result<Tick, String> {
        // As they are written.
        self.0[usize::from(tick.id % 2 == 1)].fetch_add(1, SeqCst);
        if is_bad { Err(format!("{} is bad", tick.id)) } else { Ok(tick) }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|calls| calls.load(SeqCst)).sum()
    }

    /// Whether each partition has gone on since now.
    pub(super) fn goes_on(&self) -> impl Fn() -> bool {
        let before = [self.0[0].load(SeqCst), self.0[1].load(SeqCst)];
        move || self.0.iter().zip(before).all(|(calls, before)| calls.load(SeqCst) > before)
    }
}

pub(super) fn is_bad(id: u64) -> bool {
    id % BAD == 7
}

#[subscriber(topic = "${TOPIC}", group = "${TOPIC}", enabled = "${SKIP}", on_error = Skip, retry(attempts = 2, backoff = "10ms"))]
#[publisher(topic = "${RESULTS}")]
async fn skip(tick: Tick, State(calls): State<Calls>) -> Result<Tick, String> {
    let is_bad = is_bad(tick.id);
    calls.handle(tick, is_bad)
}

#[subscriber(
    topic = "${TOPIC}",
    group = "${TOPIC}",
    enabled = "${DEAD_LETTER}",
    dead_letter = "${DEAD}",
    retry(attempts = 2, backoff = "10ms")
)]
#[publisher(topic = "${RESULTS}")]
async fn dead_letter(tick: Tick, State(calls): State<Calls>) -> Result<Tick, String> {
    let is_bad = is_bad(tick.id);
    calls.handle(tick, is_bad)
}

#[subscriber(
    topic = "${TOPIC}",
    group = "${TOPIC}",
    enabled = "${RETRY}",
    dead_letter = "${DEAD}",
    retry(attempts = 1, topics = ["1s"])
)]
#[publisher(topic = "${RESULTS}")]
async fn retry(tick: Tick, State(calls): State<Calls>) -> Result<Tick, String> {
    let is_bad = is_bad(tick.id);
    calls.handle(tick, is_bad)
}

#[subscriber(topic = "${TOPIC}", group = "${TOPIC}", enabled = "${HOLD}", on_error = Hold, retry(attempts = 2, backoff = "10ms"))]
#[publisher(topic = "${RESULTS}")]
async fn hold(tick: Tick, State(calls): State<Calls>) -> Result<Tick, String> {
    calls.handle(tick, false)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Skip,
    DeadLetter,
    Hold,
    /// What fails goes to a retry topic first, then to the dead letters.
    Retry,
}

/// A member that is let in as a user whose rights change; or why it does not start.
pub(super) fn start(address: &str, group: &Group, policy: Policy) -> Result<(Running, Arc<Calls>), String> {
    let mut config = KafkaConfig::new(address).protocol(group.protocol);
    let login = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.username", "shop"),
        ("sasl.password", "swordfish"),
        // A right to describe is missed only then.
        ("topic.metadata.refresh.interval.ms", "3000"),
    ];
    for (name, value) in login {
        config = config.property(name, value);
    }
    for (name, value) in &group.properties {
        config = config.property(format!("consumer.{name}"), value);
    }
    let is = |wanted| (wanted == policy).to_string();
    let (skip, dead_letter, hold, retry) =
        (is(Policy::Skip), is(Policy::DeadLetter), is(Policy::Hold), is(Policy::Retry));
    let (results, dead) = (results(&group.name), dead(&group.name));
    let environment = Environment::only([
        ("TOPIC", group.name.as_str()),
        ("RESULTS", &results),
        ("DEAD", &dead),
        ("SKIP", &skip),
        ("DEAD_LETTER", &dead_letter),
        ("HOLD", &hold),
        ("RETRY", &retry),
    ]);
    let app =
        FastStream::new(Kafka::with(config)).name(&group.name).module(module_path!()).state(Calls::default());
    let plan = app.plan(LaunchOptions { environment, ..LaunchOptions::default() }).expect("a right app");
    let calls = plan.state().expect("given above");
    let started = RUNTIME.block_on(plan.start(StartOptions::default()));
    started.map(|running| (running, calls)).map_err(|error| error.to_string())
}

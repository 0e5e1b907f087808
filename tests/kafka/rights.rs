//! Rights that are taken away and given back: nothing is lost, nobody's fault is made a dead letter, and it goes on at once.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka, KafkaConfig, Protocol};
use faststream::{Environment, FastStream, State, publisher, subscriber};
use faststream_core::app::{Running, Setting, StartOptions};
use serde::{Deserialize, Serialize};

use crate::acls::{Acls, Operation, Resource, Right};
use crate::behind_proxy::{in_full, play_all};
use crate::broker::Kafka as Broker;
use crate::client::{create_topic, ends, read};
use crate::members::{Feed, Group, PROTOCOLS, RUNTIME};
use crate::wait::{PATIENCE, wait_quickly, wait_until};

const PARTITIONS: i32 = 2;
/// Records a second, over all partitions.
const RATE: u64 = 100;
/// Every so many is bad, where bad ones are no reason to stand still.
const BAD: u64 = 50;
/// Longer than the session, and the rebalance time.
const DENIED: Duration = Duration::from_secs(14);
/// Within this, it delivers again.
const SOON: Duration = Duration::from_secs(5);
/// What is denied may be noticed so late: with the session, or the health's own grace.
const NOTICED: Duration = Duration::from_secs(9);

#[derive(Serialize, Deserialize)]
struct Tick {
    id: u64,
}

#[derive(Default)]
struct Calls(AtomicU64);

impl Calls {
    fn handle(&self, tick: Tick, is_bad: bool) -> Result<Tick, String> {
        self.0.fetch_add(1, SeqCst);
        if is_bad { Err(format!("{} is bad", tick.id)) } else { Ok(tick) }
    }
}

fn is_bad(id: u64) -> bool {
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

#[subscriber(topic = "${TOPIC}", group = "${TOPIC}", enabled = "${HOLD}", on_error = Hold, retry(attempts = 2, backoff = "10ms"))]
#[publisher(topic = "${RESULTS}")]
async fn hold(tick: Tick, State(calls): State<Calls>) -> Result<Tick, String> {
    calls.handle(tick, false)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Skip,
    DeadLetter,
    Hold,
}

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    ReadTopic,
    DescribeTopic,
    AllOfTopic,
    WriteResults,
    DescribeResults,
    WriteDeadLetters,
    ReadGroup,
    DescribeGroup,
    AllOfGroup,
    Create,
}

const ALL: [Taken; 10] = [
    Taken::ReadTopic,
    Taken::DescribeTopic,
    Taken::AllOfTopic,
    Taken::WriteResults,
    Taken::DescribeResults,
    Taken::WriteDeadLetters,
    Taken::ReadGroup,
    Taken::DescribeGroup,
    Taken::AllOfGroup,
    Taken::Create,
];

impl Taken {
    fn rights(self, topic: &str) -> Vec<(Resource, String, Operation)> {
        use Operation::{
            RD_KAFKA_ACL_OPERATION_ALL as EVERYTHING, RD_KAFKA_ACL_OPERATION_CREATE as CREATE,
            RD_KAFKA_ACL_OPERATION_DESCRIBE as DESCRIBE, RD_KAFKA_ACL_OPERATION_READ as READ,
            RD_KAFKA_ACL_OPERATION_WRITE as WRITE,
        };
        use Resource::{RD_KAFKA_RESOURCE_GROUP as GROUP, RD_KAFKA_RESOURCE_TOPIC as TOPIC};
        let one = |resource, name: &str, operation| vec![(resource, name.to_owned(), operation)];
        match self {
            Self::ReadTopic => one(TOPIC, topic, READ),
            Self::DescribeTopic => one(TOPIC, topic, DESCRIBE),
            Self::AllOfTopic => one(TOPIC, topic, EVERYTHING),
            Self::WriteResults => one(TOPIC, &results(topic), WRITE),
            Self::DescribeResults => one(TOPIC, &results(topic), DESCRIBE),
            Self::WriteDeadLetters => one(TOPIC, &dead(topic), WRITE),
            Self::ReadGroup => one(GROUP, topic, READ),
            Self::DescribeGroup => one(GROUP, topic, DESCRIBE),
            Self::AllOfGroup => one(GROUP, topic, EVERYTHING),
            Self::Create => {
                let names = [topic.to_owned(), results(topic), dead(topic)];
                names.into_iter().map(|name| (TOPIC, name, CREATE)).collect()
            }
        }
    }
}

fn results(topic: &str) -> String {
    format!("{topic}-results")
}

fn dead(topic: &str) -> String {
    format!("{topic}-dlt")
}

type Cell = (Taken, Policy, Protocol);

fn cells() -> Vec<Cell> {
    use Policy::{DeadLetter, Hold, Skip};
    if !in_full() {
        return vec![
            (Taken::ReadGroup, Skip, Protocol::Consumer),
            (Taken::ReadGroup, DeadLetter, Protocol::Cooperative),
            (Taken::DescribeTopic, Skip, Protocol::Consumer),
            (Taken::WriteResults, DeadLetter, Protocol::Cooperative),
            (Taken::AllOfTopic, Hold, Protocol::Consumer),
        ];
    }
    let only = |variable: &str, name: String| std::env::var(variable).map_or(true, |only| only == name);
    let mut cells = Vec::new();
    for taken in ALL.into_iter().filter(|taken| only("TAKEN", format!("{taken:?}"))) {
        for policy in
            [Skip, DeadLetter, Hold].into_iter().filter(|policy| only("POLICY", format!("{policy:?}")))
        {
            if taken == Taken::WriteDeadLetters && policy != DeadLetter {
                continue;
            }
            let protocols =
                PROTOCOLS.into_iter().filter(|protocol| only("PROTOCOL", format!("{protocol:?}")));
            cells.extend(protocols.map(|protocol| (taken, policy, protocol)));
        }
    }
    cells
}

/// Warnings and errors that were logged.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().expect("not poisoned").push(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::WARN);
        let _ = tracing::subscriber::set_global_default(log.with_writer(|| Lines).finish());
    });
}

/// What was logged of a topic and its group; not of its bad records, which are no matter of rights.
fn logged(topic: &str) -> Vec<String> {
    let log = LOG.lock().expect("not poisoned");
    let is_told = |line: &&String| line.contains(topic) && !line.contains(" is bad ");
    log.iter().filter(is_told).cloned().collect()
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_right_that_is_taken_away_and_given_back_loses_nothing_and_is_used_within_5_s() {
    listen();
    let (kafka, address) = Broker::start_authorizing("rights", "shop", "swordfish");
    let acls = Acls::new(&kafka.address());
    for resource in [Resource::RD_KAFKA_RESOURCE_TOPIC, Resource::RD_KAFKA_RESOURCE_GROUP] {
        acls.allow(Right(resource, "*", Operation::RD_KAFKA_ACL_OPERATION_ALL));
    }
    play_all(&cells(), |cell| play(&kafka.address(), &address, &acls, *cell));
}

fn play(brokers: &str, address: &str, acls: &Acls, cell: Cell) -> Result<String, String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let (taken, policy, protocol) = cell;
    let what = format!("{taken:?}, {policy:?}, {protocol:?}");
    let topic = format!("rights-{}", NUMBER.fetch_add(1, SeqCst));
    for topic in [topic.clone(), results(&topic), dead(&topic)] {
        create_topic(brokers, &topic, PARTITIONS);
    }
    let group = Group::new(brokers, &topic, protocol, PARTITIONS);
    let feed = Feed::start(&group, RATE);
    let (running, calls) = start(address, &group, policy);
    let published = || ends(brokers, &results(&topic), PARTITIONS).values().sum::<i64>();
    wait_until(&format!("{what}: it works"), PATIENCE, || published() > 0 && group.committed().len() == 2);
    wait_quickly(&format!("{what}: all is well"), || running.health().ready && !running.health().degraded);

    let rights = taken.rights(&topic);
    let each = |change: &dyn Fn(Right<'_>)| {
        for (resource, name, operation) in &rights {
            change(Right(*resource, name, *operation));
        }
    };
    let (denied, lines) = (Instant::now(), logged(&topic).len());
    each(&|right| acls.deny(right));
    let (mut last, mut moved, mut noticed) = (published(), Instant::now(), None);
    let mut reasons = BTreeSet::new();
    while denied.elapsed() < DENIED {
        let health = running.health();
        let is_well = health.ready && !health.degraded;
        if is_well {
            noticed = None;
        } else {
            noticed.get_or_insert_with(|| denied.elapsed());
            reasons.extend(health.reasons);
        }
        let now = published();
        if now > last {
            (last, moved) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(100));
    }
    let stood = moved.elapsed();
    let lines: Vec<String> = logged(&topic).split_off(lines);
    each(&|right| acls.relent(right));
    let given_back = Instant::now();
    let before = published();
    wait_until(&format!("{what}: it goes on"), PATIENCE * 2, || published() > before);
    let took = given_back.elapsed();
    let written = feed.finish();
    group.all_is_committed(&what);
    let settled = || running.health().ready && !running.health().degraded;
    let until = Instant::now() + Duration::from_secs(10);
    while !settled() && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    let health = running.health();
    let (is_well, count) = (health.ready && !health.degraded, calls.0.load(SeqCst));
    let exit = stop(running);

    let ids = |topic: &str| -> BTreeSet<u64> {
        let id = |bytes: Vec<u8>| serde_json::from_slice::<Tick>(&bytes).expect("as it was written").id;
        read(brokers, topic, PARTITIONS).into_iter().map(id).collect()
    };
    let fails = |id: &u64| policy != Policy::Hold && is_bad(*id);
    let good: BTreeSet<u64> = (0..written).filter(|id| !fails(id)).collect();
    let bad: BTreeSet<u64> = (0..written).filter(fails).collect();
    let missing: Vec<_> = good.difference(&ids(&results(&topic))).copied().collect();
    let letters = ids(&dead(&topic));
    let expected = if policy == Policy::DeadLetter { bad } else { BTreeSet::new() };
    let line = format!(
        "{what}: nothing for {stood:?} of {DENIED:?}, noticed {noticed:?}, goes on after {took:?}, {count} calls for {written}, \
         {} lines, {} lost",
        lines.len(),
        missing.len()
    );
    let stands = stood > Duration::from_secs(3);
    let mut wrong = Vec::new();
    let mut must = |holds: bool, sentence: String| {
        if !holds {
            wrong.push(sentence);
        }
    };
    must(missing.is_empty(), format!("lost: {:?}", &missing[..missing.len().min(10)]));
    let good_letters: Vec<_> = letters.difference(&expected).take(10).collect();
    must(letters == expected, format!("dead letters of good records: {good_letters:?}, or too few"));
    must(took < SOON, "it goes on too late".into());
    must(!stands || noticed.is_some_and(|at| at < NOTICED), format!("health does not say it: {reasons:?}"));
    must(is_well, format!("health goes on: {:?}", health.reasons));
    must(lines.len() < 30, format!("a hot loop: {:#?}", &lines[..lines.len().min(10)]));
    must(count < written * 3, "calls without end".into());
    must(exit == 0, format!("it ends with {exit}"));
    if std::env::var("SHOW").is_ok() {
        println!("{what}: {reasons:#?} {:#?}", &lines[..lines.len().min(30)]);
    }
    if wrong.is_empty() { Ok(line) } else { Err(format!("{line}; {wrong:?}; {reasons:?}")) }
}

fn start(address: &str, group: &Group, policy: Policy) -> (Running, Arc<Calls>) {
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
    let (skip, dead_letter, hold) = (is(Policy::Skip), is(Policy::DeadLetter), is(Policy::Hold));
    let (results, dead) = (results(&group.name), dead(&group.name));
    let environment = Environment::only([
        ("TOPIC", group.name.as_str()),
        ("RESULTS", &results),
        ("DEAD", &dead),
        ("SKIP", &skip),
        ("DEAD_LETTER", &dead_letter),
        ("HOLD", &hold),
    ]);
    let app =
        FastStream::new(Kafka::with(config)).name(&group.name).module(module_path!()).state(Calls::default());
    let plan = app.plan(Setting { environment, ..Setting::default() }).expect("a right app");
    let calls = plan.state().expect("given above");
    (RUNTIME.block_on(plan.start(StartOptions::default())).expect("it starts"), calls)
}

fn stop(mut running: Running) -> u8 {
    running.shutdown();
    let ended = async { tokio::time::timeout(PATIENCE, running.ended()).await };
    RUNTIME.block_on(ended).expect("it ends").code
}

//! Rights that are taken away and given back: nothing is lost, nobody's fault is made a dead letter, and it goes on at once.

mod app;
mod at_start;
mod taken;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Protocol;
use faststream_core::app::Running;

use self::app::{Policy, Tick, is_bad, start};
use self::taken::{ALL, Taken, dead, names, results};
use crate::acls::{Acls, Operation, Resource, Right};
use crate::behind_proxy::{in_full, play_so_many};
use crate::broker::Kafka as Broker;
use crate::client::{create_topic, ends, read};
use crate::members::{Feed, Group, PROTOCOLS, RUNTIME};
use crate::wait::{PATIENCE, wait_quickly, wait_until};

const PARTITIONS: i32 = 2;
/// Most of the time, a cell waits.
const AT_A_TIME: usize = 7;
/// Records a second, over all partitions.
const RATE: u64 = 100;
/// Longer than the session, and the rebalance time.
const DENIED: Duration = Duration::from_secs(14);
/// Within this, it delivers again.
const SOON: Duration = Duration::from_secs(5);
/// What is denied may be noticed so late: with the session, or the health's own grace.
const NOTICED: Duration = Duration::from_secs(9);

type Cell = (Taken, Policy, Protocol);

fn cells() -> Vec<Cell> {
    use Policy::{DeadLetter, Hold, Retry, Skip};
    if !in_full() {
        return vec![
            (Taken::ReadGroup, Skip, Protocol::Consumer),
            (Taken::ReadGroup, DeadLetter, Protocol::Cooperative),
            (Taken::DescribeTopic, Skip, Protocol::Consumer),
            (Taken::WriteResults, DeadLetter, Protocol::Cooperative),
            (Taken::AllOfTopic, Hold, Protocol::Consumer),
            (Taken::DescribeRetries, Retry, Protocol::Cooperative),
            (Taken::WriteRetries, Retry, Protocol::Range),
        ];
    }
    all_cells()
}

/// All of them, or those that `TAKEN`, `POLICY` and `PROTOCOL` name.
fn all_cells() -> Vec<Cell> {
    use Policy::{DeadLetter, Hold, Retry, Skip};
    let only = |variable: &str, name: String| std::env::var(variable).map_or(true, |only| only == name);
    let mut cells = Vec::new();
    for taken in ALL.into_iter().filter(|taken| only("TAKEN", format!("{taken:?}"))) {
        let policies = [Skip, DeadLetter, Hold, Retry].into_iter();
        for policy in policies.filter(|policy| taken.is_of(*policy) && only("POLICY", format!("{policy:?}")))
        {
            let protocols =
                PROTOCOLS.into_iter().filter(|protocol| only("PROTOCOL", format!("{protocol:?}")));
            cells.extend(protocols.map(|protocol| (taken, policy, protocol)));
        }
    }
    cells
}

/// Plays cells, some at a time; what is taken away from everybody, one at a time.
fn play_cells(name: &str, cells: &[Cell], play: impl Fn(&World, Cell) -> Result<String, String> + Sync) {
    listen();
    let (kafka, address) = Broker::start_authorizing(name, "shop", "swordfish");
    let acls = Acls::new(&kafka.address());
    for resource in [Resource::RD_KAFKA_RESOURCE_TOPIC, Resource::RD_KAFKA_RESOURCE_GROUP] {
        acls.allow(Right(resource, "*", Operation::RD_KAFKA_ACL_OPERATION_ALL));
    }
    let world = World { brokers: kafka.address(), address, acls };
    let (alone, together): (Vec<Cell>, Vec<Cell>) = cells.iter().partition(|(taken, ..)| taken.is_of_all());
    play_so_many(AT_A_TIME, &together, |cell| play(&world, *cell));
    play_so_many(1, &alone, |cell| play(&world, *cell));
}

/// A broker, and who changes the rights at it.
struct World {
    brokers: String,
    /// Where the user comes in whose rights change.
    address: String,
    acls: Acls,
}

impl World {
    /// A group with its topics.
    fn group(&self, protocol: Protocol) -> Group {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let topic = format!("rights-{}", NUMBER.fetch_add(1, SeqCst));
        for topic in names(&topic) {
            create_topic(&self.brokers, &topic, PARTITIONS);
        }
        Group::new(&self.brokers, &topic, protocol, PARTITIONS)
    }

    fn deny(&self, taken: Taken, topic: &str) {
        for (resource, name, operation) in taken.rights(topic) {
            self.acls.deny(Right(resource, &name, operation));
        }
    }

    fn relent(&self, taken: Taken, topic: &str) {
        for (resource, name, operation) in taken.rights(topic) {
            self.acls.relent(Right(resource, &name, operation));
        }
    }

    fn published(&self, topic: &str) -> i64 {
        ends(&self.brokers, &results(topic), PARTITIONS).values().sum()
    }
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

pub(crate) fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::WARN);
        let _ = tracing::subscriber::set_global_default(log.with_writer(|| Lines).finish());
    });
}

/// What was logged of a topic and its group; not of its bad records, which are no matter of rights.
pub(crate) fn logged(topic: &str) -> Vec<String> {
    let log = LOG.lock().expect("not poisoned");
    let is_told = |line: &&String| line.contains(topic) && !line.contains(" is bad ");
    log.iter().filter(is_told).cloned().collect()
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_right_that_is_taken_away_and_given_back_loses_nothing_and_is_used_within_5_s() {
    play_cells("rights", &cells(), play);
}

fn play(world: &World, cell: Cell) -> Result<String, String> {
    let (taken, policy, protocol) = cell;
    let what = format!("{taken:?}, {policy:?}, {protocol:?}");
    let group = world.group(protocol);
    let topic = &group.name;
    let feed = Feed::start(&group, RATE);
    let (running, calls) = start(&world.address, &group, policy).expect("it starts");
    let published = || world.published(topic);
    wait_until(&format!("{what}: it works"), PATIENCE, || published() > 0 && group.committed().len() == 2);
    wait_quickly(&format!("{what}: all is well"), || running.health().ready && !running.health().degraded);

    let (denied, lines, called) = (Instant::now(), logged(topic).len(), calls.count());
    world.deny(taken, topic);
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
    let lines: Vec<String> = logged(topic).split_off(lines);
    let called = calls.count() - called;
    world.relent(taken, topic);
    let given_back = Instant::now();
    let goes_on = calls.goes_on();
    let before = published();
    wait_until(&format!("{what}: it goes on"), PATIENCE * 2, || published() > before && goes_on());
    let took = given_back.elapsed();
    let written = feed.finish();
    group.all_is_committed(&what);
    let settled = || running.health().ready && !running.health().degraded;
    let until = Instant::now() + Duration::from_secs(10);
    while !settled() && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    let health = running.health();
    let is_well = health.ready && !health.degraded;
    let result = judge(world, &group, policy, written);
    let (count, exit) = (calls.count(), stop(running));

    let line = format!(
        "{what}: nothing for {stood:.1?} of {DENIED:?}, noticed {noticed:.1?}, goes on after {took:.1?}, {count} calls for \
         {written} ({called} while denied), {} lines, {} lost",
        lines.len(),
        result.missing.len()
    );
    let stands = stood > Duration::from_secs(3);
    let mut wrong = result.wrong();
    let mut must = |holds: bool, sentence: String| {
        if !holds {
            wrong.push(sentence);
        }
    };
    must(took < SOON, "it goes on too late".into());
    must(!stands || noticed.is_some_and(|at| at < NOTICED), format!("health does not say it: {reasons:?}"));
    must(is_well, format!("health goes on: {:?}", health.reasons));
    must(lines.len() < 30, format!("a hot loop: {:#?}", &lines[..lines.len().min(10)]));
    let gone = lines.iter().find(|line| line.contains("deleted"));
    must(gone.is_none(), format!("no topic was deleted: {gone:?}"));
    must(count < written * 3, "calls without end".into());
    must(exit == 0, format!("it ends with {exit}"));
    if std::env::var("SHOW").is_ok() {
        println!("{what}: {reasons:#?} {:#?}", &lines[..lines.len().min(30)]);
    }
    if wrong.is_empty() { Ok(line) } else { Err(format!("{line}; {wrong:?}; {reasons:?}")) }
}

/// What is not as it has to be, of results and dead letters.
struct Judged {
    missing: Vec<u64>,
    good_letters: Vec<u64>,
    missing_letters: Vec<u64>,
}

/// Compares what was written with what came out. Dead letters may come late: they wait in a retry topic.
fn judge(world: &World, group: &Group, policy: Policy, written: u64) -> Judged {
    let ids = |topic: &str| -> BTreeSet<u64> {
        let id = |bytes: Vec<u8>| serde_json::from_slice::<Tick>(&bytes).expect("as it was written").id;
        read(&world.brokers, topic, PARTITIONS).into_iter().map(id).collect()
    };
    let fails = |id: &u64| policy != Policy::Hold && is_bad(*id);
    let good: BTreeSet<u64> = (0..written).filter(|id| !fails(id)).collect();
    let bad: BTreeSet<u64> = (0..written).filter(fails).collect();
    let expected = if matches!(policy, Policy::DeadLetter | Policy::Retry) { bad } else { BTreeSet::new() };
    let until = Instant::now() + Duration::from_secs(10);
    let letters = loop {
        let letters = ids(&dead(&group.name));
        if letters.is_superset(&expected) || Instant::now() > until {
            break letters;
        }
        thread::sleep(Duration::from_millis(200));
    };
    let without =
        |all: &BTreeSet<u64>, some: &BTreeSet<u64>| all.difference(some).copied().collect::<Vec<_>>();
    Judged {
        missing: without(&good, &ids(&results(&group.name))),
        good_letters: without(&letters, &expected),
        missing_letters: without(&expected, &letters),
    }
}

impl Judged {
    fn wrong(&self) -> Vec<String> {
        let all = [
            ("lost", &self.missing),
            ("dead letters of good records", &self.good_letters),
            ("bad records without a dead letter", &self.missing_letters),
        ];
        let some = all.into_iter().filter(|(_, ids)| !ids.is_empty());
        some.map(|(what, ids)| format!("{what}: {} ({:?})", ids.len(), &ids[..ids.len().min(10)])).collect()
    }
}

fn stop(mut running: Running) -> u8 {
    running.shutdown();
    let ended = async { tokio::time::timeout(PATIENCE, running.ended()).await };
    RUNTIME.block_on(ended).expect("it ends").code
}

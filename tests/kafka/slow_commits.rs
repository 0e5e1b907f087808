//! Commits that take half a minute, or are never answered: delivery goes on until the brake, and no further.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use faststream::GroupSettings;
use faststream::kafka::Protocol;

use crate::behind_proxy::BehindProxy;
use crate::chaos::{Crew, Line};
use crate::members::{Feed, none_is_lost};
use crate::process::memory;
use crate::proxy::{Api, Fault, Rule};
use crate::wait::{PATIENCE, wait_until};

const PARTITIONS: i32 = 4;
/// What memory may grow by: the queues of all partitions, and what the test itself notes.
const GROWTH: u64 = 60 << 20;

/// How many were handled in each partition.
fn counts(lines: &[Line]) -> BTreeMap<i32, u64> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.partition).or_default() += 1;
    }
    counts
}

#[test]
#[ignore = "needs Java and Maven"]
fn commits_that_take_30_s_do_not_slow_delivery() {
    const RATE: u64 = 2_000;
    const LONG: Duration = Duration::from_secs(10);
    for protocol in [Protocol::Cooperative, Protocol::Consumer] {
        let what = format!("{protocol:?}");
        let world = BehindProxy::shared();
        let mut group = world.group("slow-commits", protocol, PARTITIONS);
        if protocol != Protocol::Consumer {
            // Heartbeats wait behind the commit, as they do at a slow coordinator.
            group = group.property("session.timeout.ms", "45000");
        }
        let feed = Feed::start(&group, RATE);
        let member = group.join();
        member.first_since(&what, Instant::now());
        thread::sleep(Duration::from_secs(2));
        let rule = Rule::new(Api::OffsetCommit, Fault::Delay(Duration::from_secs(30))).group(&group.name);
        let slow = world.proxy.hurt(rule);
        let (written, handled, before) = (feed.written(), member.count() as u64, memory());
        thread::sleep(LONG);
        let (written, handled) = (feed.written() - written, member.count() as u64 - handled);
        let grown = memory().saturating_sub(before);
        assert!(slow.hits() > 0, "{what}: no commit was slow");
        slow.end();
        world.proxy.cut();
        let all_written = feed.finish();
        group.all_is_committed(&what);
        let again = none_is_lost(&what, &member.stop_cleanly(&what), all_written);
        println!(
            "{what}: handled {handled} of {written} while commits were slow, memory +{grown} B, {again} again"
        );
        assert!(handled * 10 >= written * 9, "{what}: handled {handled} of {written}");
        assert!(grown < GROWTH, "{what}: memory grew by {grown} B");
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn commits_that_are_never_answered_brake_delivery_where_they_are_told() {
    const RATE: u64 = 1_200;
    /// More than comes within the three intervals after which silence counts as failure.
    const BRAKE: u64 = 2_000;
    /// What was in a batch when the brake came.
    const BATCH: u64 = 256;
    for protocol in [Protocol::Cooperative, Protocol::Consumer] {
        let what = format!("{protocol:?}");
        let world = BehindProxy::shared();
        let group = world.group("lost-commits", protocol, PARTITIONS);
        // Else the client asks again on a new connection meanwhile.
        let mut group = group.property("socket.timeout.ms", "60000");
        group.settings = GroupSettings::new().max_uncommitted(BRAKE);
        let feed = Feed::start(&group, RATE);
        let mut crew = Crew::new(&group);
        let member = crew.start(0);
        wait_until(&what, PATIENCE, || crew.lines().len() > 100);
        let rule = Rule::new(Api::OffsetCommit, Fault::Swallow).group(&group.name);
        let swallowing = world.proxy.hurt(rule);
        let (began, before) = (Instant::now(), member.memory());
        let mut last = (0, Instant::now());
        wait_until(&format!("{what}: the brake"), PATIENCE, || {
            let now = crew.lines().len();
            if now > last.0 {
                last = (now, Instant::now());
            }
            last.1.elapsed() > Duration::from_secs(2)
        });
        let braked_after = last.1 - began;
        let grown = member.memory().saturating_sub(before);
        let committed = group.committed();
        for (partition, handled) in counts(&crew.lines()) {
            let committed =
                u64::try_from(committed.get(&partition).copied().unwrap_or(0)).expect("an offset");
            let beyond = handled - committed;
            assert!((BRAKE..=BRAKE + BATCH).contains(&beyond), "{what}: {beyond} beyond in {partition}");
        }
        member.kill();
        swallowing.end();
        let successor = crew.start(1);
        let written = feed.finish();
        group.all_is_committed(&what);
        crew.stop(successor);
        let again = crew.none_is_lost(written) as u64;
        println!("{what}: braked after {braked_after:?}, memory +{grown} B, {again} again after a kill");
        assert!(again > 0, "{what}: nothing was handled again, so nothing was uncommitted");
        assert!(again <= 4 * (BRAKE + BATCH), "{what}: {again} again");
        assert!(grown < GROWTH, "{what}: memory grew by {grown} B");
    }
}

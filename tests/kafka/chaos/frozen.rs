//! A member that is frozen beyond its session: the other one takes over, and both go on when it is thawed.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::Crew;
use crate::behind_proxy::{BehindProxy, play_all};
use crate::client::produce;
use crate::members::{Feed, PROTOCOLS, SESSION};
use crate::wait::{PATIENCE, wait_quickly, wait_until};

const PARTITIONS: i32 = 4;
const RATE: u64 = 400;

/// How many partitions were handled since this moment.
fn handled_since(crew: &Crew, since: SystemTime) -> usize {
    let since = since.duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is right").as_millis();
    let lines = crew.lines().into_iter().filter(|line| u128::from(line.at) > since);
    lines.map(|line| line.partition).collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_member_frozen_beyond_its_session_is_replaced_and_comes_back() {
    let world = BehindProxy::shared();
    play_all(&PROTOCOLS, |protocol| {
        let what = format!("{protocol:?}");
        let group = world.group("frozen", *protocol, PARTITIONS);
        let mut crew = Crew::new(&group);
        let feed = Feed::start(&group, RATE);
        let (first, second) = (crew.start(0), crew.start(1));
        wait_until(&format!("{what}: both work"), PATIENCE, || crew.lines().len() > 1_000);
        first.freeze();
        let frozen = Instant::now();
        thread::sleep(SESSION);
        let since = SystemTime::now();
        wait_until(&format!("{what}: the other one has all"), PATIENCE, || handled_since(&crew, since) == 4);
        let taken_over = frozen.elapsed();
        thread::sleep(Duration::from_secs(1));
        first.thaw();
        let thawed = SystemTime::now();
        thread::sleep(Duration::from_secs(3));
        wait_until(&format!("{what}: all go on"), PATIENCE, || handled_since(&crew, thawed) == 4);
        let written = feed.finish();
        group.all_is_committed(&what);
        crew.stop(first);
        crew.stop(second);
        let again = crew.none_is_lost(written);
        let line =
            format!("{what}: all taken over {taken_over:?} after the freeze, {again} again of {written}");
        if taken_over > SESSION + Duration::from_secs(4) { Err(line) } else { Ok(line) }
    });
}

/// What it had fetched before belongs to the other one now.
#[test]
#[ignore = "needs Java and Maven"]
fn a_member_that_was_frozen_begins_nothing_that_is_no_longer_its_own() {
    /// So many that some are always fetched and not handled.
    const MANY: u64 = 200_000;
    /// The runtime takes so many at a time from a partition: the rest of one that it was at is handled.
    const BATCH: usize = 256;
    let world = BehindProxy::shared();
    play_all(&PROTOCOLS, |protocol| {
        let what = format!("{protocol:?}");
        let group = world.group("thawed", *protocol, PARTITIONS);
        produce(&group.brokers, &group.name, PARTITIONS, 0, MANY, |id| format!(r#"{{"id":{id}}}"#));
        // The file is the first one's alone: the other one runs here.
        let mut crew = Crew::new(&group);
        let first = crew.start(0);
        wait_quickly(&format!("{what}: the first one works"), || crew.has_lines());
        first.freeze();
        let second = group.join();
        second.owns(&what, 4);
        let in_time = Duration::from_secs(60);
        wait_until(&format!("{what}: the other one has much"), in_time, || second.count() > 100_000);
        let (before, taken) = (crew.lines().len(), second.all());
        let theirs: BTreeSet<u64> = taken.into_iter().map(|handled| handled.id).collect();
        first.thaw();
        group.all_is_committed(&what);
        let zombies = crew.lines().split_off(before).iter().filter(|line| theirs.contains(&line.id)).count();
        crew.stop(first);
        let mut ids: BTreeSet<u64> = crew.lines().into_iter().map(|line| line.id).collect();
        ids.extend(second.stop_cleanly(&what).into_iter().map(|handled| handled.id));
        let line = format!("{what}: {before} calls before the freeze, {zombies} for what the other one had");
        if ids.len() as u64 != MANY {
            return Err(format!("{line}; {} of {MANY} handled", ids.len()));
        }
        if zombies > BATCH { Err(line) } else { Ok(line) }
    });
}

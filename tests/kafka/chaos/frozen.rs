//! A member that is frozen beyond its session: the other one takes over, and both go on when it is thawed.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::Crew;
use crate::behind_proxy::{BehindProxy, play_all};
use crate::members::{Feed, PROTOCOLS, SESSION};
use crate::wait::{PATIENCE, wait_until};

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

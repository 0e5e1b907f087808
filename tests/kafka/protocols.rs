//! A group changes its protocol: which members mix, and what those say that have to wait.

use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Protocol;

use crate::behind_proxy::{in_full, play_all};
use crate::broker::Kafka;
use crate::client::create_topic;
use crate::members::{Feed, Group, PROTOCOLS, SESSION, none_is_lost};
use crate::wait::{PATIENCE, wait_until};

const PARTITIONS: i32 = 4;
const RATE: u64 = 400;
/// Not joined for 10 s is said, a moment later with what the coordinator knows.
const SAID: Duration = Duration::from_secs(14);

/// Whether a new member works beside the old ones: then they can be replaced one by one. Else the old ones are stopped
/// first.
fn mixes(old: Protocol, new: Protocol) -> bool {
    matches!((old, new), (Protocol::Range, Protocol::Consumer) | (Protocol::Consumer, _))
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_group_changes_its_protocol_and_a_member_that_has_to_wait_says_for_whom() {
    let kafka = Kafka::start("protocols");
    let all = PROTOCOLS.iter().flat_map(|old| PROTOCOLS.map(|new| (*old, new)));
    let all = all.filter(|(old, new)| old != new);
    let few = [(Protocol::Cooperative, Protocol::Consumer), (Protocol::Range, Protocol::Consumer)];
    let cells: Vec<_> = all.filter(|cell| in_full() || few.contains(cell)).collect();
    play_all(&cells, |(old, new)| change(&kafka.address(), *old, *new));
}

fn change(brokers: &str, from: Protocol, to: Protocol) -> Result<String, String> {
    let what = format!("{from:?} to {to:?}");
    let name = format!("protocols-{from:?}-{to:?}");
    create_topic(brokers, &name, PARTITIONS);
    let groups = [from, to].map(|protocol| Group::new(brokers, &name, protocol, PARTITIONS));
    let feed = Feed::start(&groups[0], RATE);
    // One after the other: members that joined again keep data of their own in their subscription, if they are cooperative.
    let first = groups[0].join();
    first.owns(&what, 4);
    let old = [first, groups[0].join()];
    for member in &old {
        member.owns(&what, 2);
    }
    thread::sleep(Duration::from_secs(2));

    let joined = Instant::now();
    let new = groups[1].join();
    let said = || {
        let reasons = new.running.health().reasons;
        reasons.into_iter().find(|reason| reason.contains("not in the group for"))
    };
    while joined.elapsed() < SAID && new.running.partitions() == 0 && said().is_none() {
        thread::sleep(Duration::from_millis(50));
    }
    let (waited, does_mix, said) = (joined.elapsed(), new.running.partitions() > 0, said());
    let is_ready = new.running.health().ready;

    let stopped = Instant::now();
    let mut all: Vec<_> = old.into_iter().flat_map(|member| member.stop_cleanly(&what)).collect();
    let limit = SESSION + Duration::from_secs(10);
    wait_until(&format!("{what}: the new one has all"), limit, || new.running.partitions() == 4);
    let took = stopped.elapsed();
    new.first_since(&what, stopped);
    wait_until(&format!("{what}: all is well"), PATIENCE, || {
        let health = new.running.health();
        health.ready && !health.degraded
    });
    let written = feed.finish();
    groups[1].all_is_committed(&what);
    all.extend(new.stop_cleanly(&what));
    let again = none_is_lost(&what, &all, written);
    let line = format!(
        "{what}: mixes {does_mix} after {waited:?}, has all {took:?} after the old one's stop, {again} again: {said:?}"
    );
    let tells = said.is_some_and(|said| said.contains("Stop all") && said.contains("changing the protocol"));
    if does_mix != mixes(from, to) || (!does_mix && (is_ready || !tells)) {
        return Err(line);
    }
    Ok(line)
}

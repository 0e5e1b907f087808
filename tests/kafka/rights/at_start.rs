//! Rights that are missing when the service starts, and given later.

use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Protocol;

use super::app::{Policy, start};
use super::taken::{Taken, dead, retries};
use super::{Cell, PARTITIONS, SOON, World, all_cells, judge, logged, play_cells, stop};
use crate::behind_proxy::in_full;
use crate::client::{delete_topic, produce};
use crate::wait::{PATIENCE, wait_until};

/// Longer than a member needs to join.
const DENIED: Duration = Duration::from_secs(6);
const RECORDS: u64 = 200;

fn cells() -> Vec<Cell> {
    use Policy::{DeadLetter, Retry, Skip};
    if in_full() {
        return all_cells();
    }
    vec![
        (Taken::ReadGroup, Skip, Protocol::Consumer),
        (Taken::DescribeTopic, DeadLetter, Protocol::Cooperative),
        (Taken::WriteResults, Skip, Protocol::Consumer),
        (Taken::DescribeRetries, Retry, Protocol::Cooperative),
        (Taken::DescribeConfigs, DeadLetter, Protocol::Consumer),
        (Taken::Create, Retry, Protocol::Range),
    ]
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_right_that_is_missing_at_the_start_is_named_and_used_within_5_s_once_it_is_given() {
    play_cells("rights-at-start", &cells(), play);
}

fn play(world: &World, (taken, policy, protocol): Cell) -> Result<String, String> {
    let what = format!("at the start: {taken:?}, {policy:?}, {protocol:?}");
    let group = world.group(protocol);
    let topic = &group.name;
    produce(&group.brokers, topic, PARTITIONS, 0, RECORDS, |id| format!(r#"{{"id":{id}}}"#));
    // What the service makes by itself, if it may.
    let has_to_make = taken == Taken::Create && matches!(policy, Policy::DeadLetter | Policy::Retry);
    if has_to_make {
        for topic in [dead(topic), retries(topic)] {
            delete_topic(&world.brokers, &topic);
        }
    }
    world.deny(taken, topic);
    // The broker's own copy of the rights follows a moment later, and nothing tells when.
    thread::sleep(Duration::from_millis(500));
    let begins = || start(&world.address, &group, policy);
    let (started, fault, given) = thread::scope(|scope| {
        let starting = scope.spawn(begins);
        let denied = Instant::now();
        while denied.elapsed() < DENIED && !starting.is_finished() {
            thread::sleep(Duration::from_millis(20));
        }
        if !starting.is_finished() {
            // It waits before it has started.
            world.relent(taken, topic);
            let given = Instant::now();
            return (starting.join().expect("no panic"), None, given);
        }
        match starting.join().expect("no panic") {
            // A fault, for whoever deploys it.
            Err(fault) => {
                world.relent(taken, topic);
                (begins(), Some(fault), Instant::now())
            }
            Ok(running) => {
                thread::sleep(DENIED.saturating_sub(denied.elapsed()));
                world.relent(taken, topic);
                (Ok(running), None, Instant::now())
            }
        }
    });
    let (running, calls) = started.map_err(|fault| format!("{what}: it does not start: {fault}"))?;
    let lines = logged(topic).len();
    let all = || group.committed().values().sum::<i64>() == i64::try_from(RECORDS).expect("few");
    wait_until(&format!("{what}: all is committed"), PATIENCE * 2, all);
    let took = given.elapsed();
    let judged = judge(world, &group, policy, RECORDS);
    let (count, exit) = (calls.count(), stop(running));
    let how = if fault.is_some() { "a fault, then " } else { "" };
    let line = format!("{what}: {how}all is done after {took:.1?}, {count} calls, {lines} lines");
    let mut wrong = judged.wrong();
    let mut must = |holds: bool, sentence: String| {
        if !holds {
            wrong.push(sentence);
        }
    };
    // And what was handled is committed a moment later.
    must(took < SOON + Duration::from_secs(1), "it begins too late".into());
    let gone = logged(topic).into_iter().find(|line| line.contains("deleted"));
    must(gone.is_none(), format!("no topic was deleted: {gone:?}"));
    must(lines < 20, format!("a hot loop: {:#?}", logged(topic)));
    must(count < RECORDS * 3, "calls without end".into());
    let is_unread = taken == Taken::DescribeConfigs && matches!(policy, Policy::DeadLetter | Policy::Retry);
    let names_it = logged(topic).iter().any(|line| line.contains("the right DescribeConfigs"));
    must(names_it || !is_unread, "nobody says that it may not read settings".into());
    must(exit == 0, format!("it ends with {exit}"));
    must(fault.is_some() || !has_to_make, "nobody says that it may not make its topics".into());
    if let Some(fault) = fault {
        must(fault.contains(topic.as_str()) && fault.contains("user"), format!("it names no right: {fault}"));
    }
    if wrong.is_empty() { Ok(line) } else { Err(format!("{line}; {wrong:?}; {:#?}", logged(topic))) }
}

//! What must not grow: threads and files with each start and stop, memory with time.
//!
//! `CYCLES` says how often an app is started and stopped, `SOAK_SECONDS` how long members come and go.

use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Protocol;

use crate::behind_proxy::number;
use crate::broker::Kafka;
use crate::client::create_topic;
use crate::members::{Feed, Group, Member, PROTOCOLS, none_is_lost};
use crate::process::{files, memory, threads};
use crate::wait::wait_quickly;

const PARTITIONS: i32 = 4;

fn group(kafka: &Kafka, name: &str, protocol: Protocol) -> Group {
    create_topic(&kafka.address(), name, PARTITIONS);
    Group::new(&kafka.address(), name, protocol, PARTITIONS)
}

#[test]
#[ignore = "needs Java and Maven"]
fn starting_and_stopping_under_load_leaks_neither_threads_nor_files() {
    let cycles = number("CYCLES", 24);
    let kafka = Kafka::start("cycles");
    let groups = PROTOCOLS.map(|protocol| group(&kafka, &format!("cycles-{protocol:?}"), protocol));
    let feeds = groups.each_ref().map(|group| Feed::start(group, 1_000));
    let mut all = [const { Vec::new() }; 3];
    let (mut known, mut slowest) = (None, Duration::ZERO);
    for cycle in 0..cycles {
        let turn = usize::try_from(cycle % 3).expect("three");
        let what = format!("cycle {cycle}, {:?}", groups[turn].protocol);
        let member = groups[turn].join();
        member.first_since(&what, Instant::now());
        let began = Instant::now();
        all[turn].extend(member.stop_cleanly(&what));
        slowest = slowest.max(began.elapsed());
        // Clients are destroyed a moment after the app has ended.
        match known {
            None if cycle == 5 => {
                thread::sleep(Duration::from_secs(1));
                known = Some((threads(), files()));
            }
            Some((threads_then, files_then)) if cycle + 1 == cycles => {
                let few = |now: usize, then: usize| now <= then + 2;
                wait_quickly(&format!("{what}: as many as at first"), || {
                    few(threads(), threads_then) && few(files(), files_then)
                });
            }
            _ => {}
        }
    }
    println!("{cycles} cycles, the slowest stop took {slowest:?}, {} threads, {} files", threads(), files());
    for ((group, feed), mut all) in groups.iter().zip(feeds).zip(all) {
        let written = feed.finish();
        let member = group.join();
        group.all_is_committed(&group.name);
        all.extend(member.stop_cleanly(&group.name));
        let again = none_is_lost(&group.name, &all, written);
        println!("{}: {again} again of {written}", group.name);
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn members_that_come_and_go_for_long_leave_memory_flat() {
    let time = Duration::from_secs(number("SOAK_SECONDS", 20));
    let kafka = Kafka::start("soak");
    let groups = PROTOCOLS.map(|protocol| group(&kafka, &format!("soak-{protocol:?}"), protocol));
    let feeds = groups.each_ref().map(|group| Feed::start(group, 500));
    let stayers = groups.each_ref().map(Group::join);
    let began = Instant::now();
    let mut warm = None;
    while began.elapsed() < time {
        for group in &groups {
            let guest = group.join();
            guest.first_since(&group.name, Instant::now());
            guest.stop_cleanly(&group.name);
        }
        // What was noted is not a leak.
        stayers.iter().for_each(Member::forget);
        if warm.is_none() && began.elapsed() > time / 4 {
            warm = Some(memory());
        }
    }
    let (warm, now) = (warm.expect("a quarter has passed"), memory());
    println!("memory {warm} B after a quarter, {now} B after {time:?}");
    assert!(now < warm + warm / 5 + (16 << 20), "memory grew from {warm} B to {now} B");
    for ((group, feed), stayer) in groups.iter().zip(feeds).zip(stayers) {
        feed.finish();
        group.all_is_committed(&group.name);
        stayer.stop_cleanly(&group.name);
    }
}

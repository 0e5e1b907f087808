//! Why this project exists: every commit fails while a second member joins, and nobody stands still.

use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Protocol;
use faststream_kafka::rdkafka::mocking::MockCluster;
use faststream_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::behind_proxy::{BehindProxy, play_all};
use crate::members::{Feed, Group, Member, PROTOCOLS, longest_gap, none_is_lost};
use crate::proxy::{Active, Api, Fault, Rule};
use crate::wait::wait_quickly;

const PARTITIONS: i32 = 4;
/// Records a second, over all partitions.
const RATE: u64 = 400;
/// The longest of the brokers here: the mock cluster's.
const HEARTBEAT: Duration = Duration::from_secs(3);
const REBALANCE_IN_PROGRESS: i16 = 27;

/// Waits until something of its own assignment is handled; says how long that took after the assignment.
fn first_after_assignment(member: &Member, what: &str) -> Duration {
    wait_quickly(what, || member.running.partitions() > 0);
    let assigned = Instant::now();
    wait_quickly(what, || member.count() > 0);
    assigned.elapsed()
}

/// A member works, a second joins while commits are refused; then all is well again.
fn play(what: &str, group: &Group, refuse: &mut dyn FnMut(bool)) {
    let feed = Feed::start(group, RATE);
    let first = group.join();
    first_after_assignment(&first, "the first member delivers");
    thread::sleep(Duration::from_secs(2));

    let mut gaps = Vec::new();
    let (mut newcomers, mut joins) = (Vec::new(), Vec::new());
    let mut all = Vec::new();
    for refused in [false, true] {
        refuse(refused);
        let from = Instant::now();
        let second = group.join();
        newcomers.push(first_after_assignment(&second, "the newcomer delivers"));
        joins.push(from.elapsed());
        thread::sleep(Duration::from_secs(2));
        gaps.push(longest_gap(&first.all(), from, Instant::now()));
        refuse(false);
        thread::sleep(Duration::from_secs(1));
        all.extend(second.stop_cleanly(what));
        first.owns(what, 4);
    }
    let written = feed.finish();
    println!(
        "{what}: gap {gaps:?} without and with refused commits, newcomer after {newcomers:?}, {written} records"
    );
    assert!(gaps[1] <= gaps[0] + Duration::from_secs(1), "{what}: the kept partitions paused {gaps:?}");
    assert!(newcomers[1] <= Duration::from_secs(1), "{what}: the newcomer delivered after {newcomers:?}");
    // What comes before the assignment is the group's affair, and takes no longer either, give or take a heartbeat.
    assert!(joins[1] <= joins[0] + HEARTBEAT + Duration::from_secs(1), "{what}: joining took {joins:?}");

    group.all_is_committed(what);
    all.extend(first.stop_cleanly(what));
    let again = none_is_lost(what, &all, written);
    println!("{what}: {again} handled again of {written}");
}

#[test]
#[ignore = "needs Java and Maven"]
fn refused_commits_stop_nobody_whatever_the_protocol() {
    let world = BehindProxy::shared();
    play_all(&PROTOCOLS, |protocol| {
        let what = format!("{protocol:?}");
        let group = world.group("origin", *protocol, PARTITIONS);
        let mut refusing: Option<Active> = None;
        play(&what, &group, &mut |refused| {
            let rule = Rule::new(Api::OffsetCommit, Fault::Refuse(REBALANCE_IN_PROGRESS)).group(&group.name);
            if refused {
                refusing = Some(world.proxy.hurt(rule));
            } else if let Some(refusing) = &refusing {
                refusing.end();
            }
        });
        let hits = refusing.map_or(0, |refusing| refusing.hits());
        if hits > 0 {
            Ok(format!("{what}: {hits} refused"))
        } else {
            Err(format!("{what}: none was refused"))
        }
    });
}

/// On librdkafka's own mock cluster: no Java.
#[test]
fn refused_commits_stop_nobody_on_the_mock_cluster() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let group = Group::new(&cluster.bootstrap_servers(), "origin", Protocol::Consumer, PARTITIONS);
    cluster.create_topic(&group.name, PARTITIONS, 1).expect("a topic");
    play("mock, KIP-848", &group, &mut |refused| {
        if refused {
            let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS; 1000];
            cluster.request_errors(RDKafkaApiKey::OffsetCommit, &errors);
        } else {
            cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
        }
    });
}

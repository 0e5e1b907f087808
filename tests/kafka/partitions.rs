//! Where partitions begin, each by itself.

use std::time::{Duration, Instant};

use crate::behind_proxy::in_full;
use crate::broker::Kafka;
use crate::client::{committed, create_topic, leaders, produce};
use crate::members::{Group, PROTOCOLS};
use crate::wait::{PATIENCE, wait_until};

/// The partition of the offsets' topic that a group belongs to: Java's hash of its name, of 4 partitions.
fn offsets_partition(group: &str) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash & i32::MAX) % 4
}

/// The topic has no commits, so each partition's leader is asked where it begins.
#[test]
#[ignore = "needs Java and Maven"]
fn a_leader_that_does_not_answer_holds_up_no_other_partition() {
    const NODES: usize = 3;
    const PARTITIONS: i32 = 30;
    const AWAY: i32 = 3;
    // One replica: a coordinator with more would wait for the node that is away.
    let offsets = "offsets.topic.replication.factor=1";
    let mut cluster = Kafka::start_cluster_with("one-away", NODES, offsets);
    let brokers = cluster.iter().map(Kafka::address).collect::<Vec<_>>().join(",");
    // Makes the topic of the offsets.
    create_topic(&brokers, "any", 1);
    committed(&brokers, "any", "any", 1);
    let coordinators = leaders(&brokers, "__consumer_offsets");
    let groups = PROTOCOLS.map(|protocol| {
        let mut names = (0..).map(|number| format!("one-away-{protocol:?}-{number}"));
        let name = names.find(|name| coordinators[&offsets_partition(name)] != AWAY).expect("one of many");
        create_topic(&brokers, &name, PARTITIONS);
        produce(&brokers, &name, PARTITIONS, 0, 30, |id| format!(r#"{{"id":{id}}}"#));
        (Group::new(&brokers, &name, protocol, PARTITIONS), leaders(&brokers, &name))
    });
    cluster[2].kill();
    for (group, leaders) in groups {
        let what = group.name.as_str();
        let began = Instant::now();
        let member = group.join();
        let healthy: Vec<i32> =
            leaders.iter().filter(|(_, leader)| **leader != AWAY).map(|(partition, _)| *partition).collect();
        assert!((10..30).contains(&healthy.len()), "{what}: {leaders:?}");
        let mut last = Duration::ZERO;
        for partition in healthy {
            last = last.max(member.first_of_since(what, partition, began) - began);
        }
        println!("{what}: the others began {last:?} after the start");
        assert!(last < Duration::from_secs(2), "{what}: the others began after {last:?}");
        if in_full() {
            wait_until(&format!("{what}: all are handled"), PATIENCE, || member.count() >= 30);
            println!("{what}: all were handled {:?} after the start", began.elapsed());
        }
        member.stop_cleanly(what);
    }
}

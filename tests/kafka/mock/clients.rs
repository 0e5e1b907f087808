//! Clients that break, that are thrown out, or that are dropped: the group goes on.

use std::thread;
use std::time::{Duration, Instant};

use faststream_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Error};

use super::{CONSUMER_GROUP_HEARTBEAT, Cluster};
use crate::members::{Feed, none_is_lost};
use crate::wait::wait_quickly;

const RATE: u64 = 400;

#[test]
fn a_member_that_is_dropped_gives_its_partitions_to_the_others() {
    let cluster = Cluster::new(1);
    // Members hear of a change with their next heartbeat: each half a second then, not each three.
    cluster.session(Duration::from_secs(20));
    let group = cluster.group("dropped");
    let feed = Feed::start(&group, RATE);
    let first = group.join();
    first.first_since("dropped", Instant::now());
    let mut all = first.all();
    // Into the middle of a rebalance, too.
    let second = group.join();
    wait_quickly("the first hears of the second", || first.running.partitions() < 4);
    all.extend(first.all());
    drop(first);
    let dropped = Instant::now();
    second.owns("the second has all", 4);
    let took = dropped.elapsed();
    assert!(took < Duration::from_secs(3), "the dropped member kept its partitions for {took:?}");
    let written = feed.finish();
    group.all_is_committed("dropped");
    drop(second.stop_cleanly("dropped"));
    assert!(written > 0 && !all.is_empty());
}

#[test]
fn a_member_that_was_thrown_out_joins_again() {
    let codes = [Error::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, Error::RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH];
    thread::scope(|scope| {
        for code in codes {
            scope.spawn(move || {
                let what = format!("{code:?}");
                let cluster = Cluster::new(1);
                let group = cluster.group("thrown-out");
                let feed = Feed::start(&group, RATE);
                let member = group.join();
                member.first_since(&what, Instant::now());
                cluster.refuse(CONSUMER_GROUP_HEARTBEAT, code, 1);
                // After the next heartbeat, whatever came before.
                member.first_since(&what, Instant::now() + Duration::from_secs(5));
                let written = feed.finish();
                group.all_is_committed(&what);
                none_is_lost(&what, &member.stop_cleanly(&what), written);
            });
        }
    });
}

#[test]
fn a_client_beyond_repair_is_replaced() {
    let codes = [
        Error::RD_KAFKA_RESP_ERR_INVALID_REQUEST,
        // Somebody may mend the permission meanwhile.
        Error::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    ];
    thread::scope(|scope| {
        for code in codes {
            scope.spawn(move || {
                let what = format!("{code:?}");
                let cluster = Cluster::new(1);
                cluster.session(Duration::from_secs(3));
                let group = cluster.group("broken");
                let feed = Feed::start(&group, RATE);
                let member = group.join();
                member.first_since(&what, Instant::now());
                cluster.refuse(CONSUMER_GROUP_HEARTBEAT, code, 1);
                wait_quickly(&format!("{what}: it is replaced"), || {
                    member.running.health().reasons.iter().any(|why| why.contains("was replaced 1 times"))
                });
                let replaced = Instant::now();
                let took = member.first_since(&what, replaced) - replaced;
                assert!(took < Duration::from_secs(5), "{what}: it delivered after {took:?}");
                let written = feed.finish();
                group.all_is_committed(&what);
                none_is_lost(&what, &member.stop_cleanly(&what), written);
            });
        }
    });
}

#[test]
fn joining_that_is_refused_goes_on_until_it_is_allowed() {
    let codes = [
        (RDKafkaApiKey::FindCoordinator, Error::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED),
        (RDKafkaApiKey::JoinGroup, Error::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED),
        (RDKafkaApiKey::SyncGroup, Error::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS),
        (RDKafkaApiKey::JoinGroup, Error::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
    ];
    thread::scope(|scope| {
        for (api, code) in codes {
            scope.spawn(move || {
                let what = format!("{api:?}, {code:?}");
                let cluster = Cluster::new(1);
                let mut group = cluster.group("not-yet");
                group.protocol = faststream::kafka::Protocol::Range;
                let group = group.property("session.timeout.ms", "2500");
                let feed = Feed::start(&group, RATE);
                cluster.refuse(api, code, 2);
                let member = group.join();
                member.first_since(&what, Instant::now());
                let written = feed.finish();
                group.all_is_committed(&what);
                none_is_lost(&what, &member.stop_cleanly(&what), written);
            });
        }
    });
}

#[test]
fn a_stop_without_brokers_ends_in_time() {
    let cluster = Cluster::new(1);
    let group = cluster.group("stop");
    let feed = Feed::start(&group, RATE);
    let member = group.join();
    member.first_since("stop", Instant::now());
    thread::sleep(Duration::from_millis(500));
    let written = feed.finish();
    wait_quickly("all are handled", || member.count() as u64 == written);
    cluster.set_up(1, false);
    let (_, exit, took) = member.stop();
    println!("a stop without brokers took {took:?}: {exit:?}");
    assert!(took < Duration::from_secs(7), "{took:?}");
}

//! Commits that fail, late ones, and a coordinator that is away: delivery goes on, and what was finished is committed.

use std::thread;
use std::time::{Duration, Instant};

use faststream_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Error};

use super::Cluster;
use crate::members::{Feed, Group, Member, longest_gap, none_is_lost};
use crate::wait::wait_quickly;

const RATE: u64 = 400;

/// Ends the play: everything is committed, nothing is lost.
fn end_well(what: &str, group: &Group, feed: Feed, member: Member) {
    let written = feed.finish();
    group.all_is_committed(what);
    let all = member.stop_cleanly(what);
    let again = none_is_lost(what, &all, written);
    assert_eq!(again, 0, "{what}: handled again");
}

#[test]
fn commits_that_fail_stop_nobody_and_are_told_until_one_succeeds() {
    let codes = [
        Error::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        Error::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Error::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        Error::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        Error::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Error::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        Error::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
        Error::RD_KAFKA_RESP_ERR_UNKNOWN,
    ];
    thread::scope(|scope| {
        for code in codes {
            scope.spawn(move || {
                let what = format!("{code:?}");
                let cluster = Cluster::new(1);
                let group = cluster.group("refused");
                let feed = Feed::start(&group, RATE);
                let member = group.join();
                let first = member.first_since(&what, Instant::now());
                cluster.refuse(RDKafkaApiKey::OffsetCommit, code, 1_000);
                wait_quickly(&format!("{what}: the failing commits are told"), || {
                    let health = member.running.health();
                    health.degraded
                        && health.ready
                        && health.reasons.iter().any(|why| why.contains("commits fail"))
                });
                cluster.relent(RDKafkaApiKey::OffsetCommit);
                wait_quickly(&format!("{what}: all is well again"), || {
                    let health = member.running.health();
                    !health.degraded && health.reasons.is_empty()
                });
                let gap = longest_gap(&member.all(), first, Instant::now());
                assert!(gap < Duration::from_secs(1), "{what}: nothing for {gap:?}");
                end_well(&what, &group, feed, member);
            });
        }
    });
}

#[test]
fn a_stale_epoch_is_cured_by_the_next_heartbeat() {
    let cluster = Cluster::new(1);
    let group = cluster.group("stale");
    let feed = Feed::start(&group, RATE);
    let member = group.join();
    let first = member.first_since("stale", Instant::now());
    cluster.refuse(RDKafkaApiKey::OffsetCommit, Error::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH, 20);
    thread::sleep(Duration::from_secs(2));
    let gap = longest_gap(&member.all(), first, Instant::now());
    assert!(gap < Duration::from_secs(1), "nothing for {gap:?}");
    end_well("stale", &group, feed, member);
}

#[test]
fn a_commit_that_is_answered_too_late_is_sent_again() {
    let cluster = Cluster::new(1);
    let group = cluster.group("late").property("socket.timeout.ms", "1500");
    let feed = Feed::start(&group, RATE);
    let member = group.join();
    let first = member.first_since("late", Instant::now());
    cluster.track();
    cluster.delay(1, RDKafkaApiKey::OffsetCommit, Duration::from_secs(30), 1);
    wait_quickly("the late one is given up", || cluster.tracked(RDKafkaApiKey::OffsetCommit) > 1);
    let gap = longest_gap(&member.all(), first, Instant::now());
    assert!(gap < Duration::from_secs(1), "nothing for {gap:?}");
    end_well("late", &group, feed, member);
}

#[test]
fn a_coordinator_away_for_less_than_the_session_interrupts_nothing() {
    let cluster = Cluster::new(2);
    let group = cluster.group("away");
    (0..4).for_each(|partition| cluster.lead(&group.name, partition, 1));
    cluster.coordinate(&group.name, 2);
    let feed = Feed::start(&group, RATE);
    let member = group.join();
    let first = member.first_since("away", Instant::now());
    cluster.set_up(2, false);
    thread::sleep(Duration::from_secs(4));
    cluster.set_up(2, true);
    let back = Instant::now();
    let gap = longest_gap(&member.all(), first, back);
    assert!(gap < Duration::from_secs(1), "nothing for {gap:?}");
    end_well("away", &group, feed, member);
    assert!(back.elapsed() < Duration::from_secs(8), "committed after {:?}", back.elapsed());
}

#[test]
fn a_static_member_that_is_fenced_stops_the_app_with_3_and_a_sentence() {
    let cluster = Cluster::new(1);
    let mut group = cluster.group("fenced");
    group.protocol = faststream::kafka::Protocol::Cooperative;
    let group = group.property("session.timeout.ms", "6000").property("group.instance.id", "one");
    let feed = Feed::start(&group, RATE);
    let mut member = group.join();
    member.first_since("fenced", Instant::now());
    cluster.refuse(RDKafkaApiKey::OffsetCommit, Error::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, 1);
    let exit = member.ends();
    assert_eq!(exit.code, 3, "{:?}", exit.messages);
    assert!(
        exit.messages.iter().any(|sentence| sentence.contains("group.instance.id")),
        "{:?}",
        exit.messages
    );
    feed.finish();
}

//! Partitions that are assigned are fetched, whatever stands in the way.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use faststream_kafka::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use faststream_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Error};
use faststream_kafka::rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::Cluster;
use crate::client::produce;
use crate::members::{Feed, Group, longest_gap, none_is_lost};
use crate::wait::wait_quickly;

const RATE: u64 = 400;

fn write(group: &Group, first: u64, count: u64) {
    produce(&group.brokers, &group.name, group.partitions, first, count, |id| format!(r#"{{"id":{id}}}"#));
}

/// Commits for a group without members.
fn commit(group: &Group, partition: i32, next: i64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &group.brokers)
        .set("group.id", &group.name)
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&group.name, partition, Offset::Offset(next)).expect("an offset");
    consumer.commit(&list, CommitMode::Sync).expect("it is committed");
}

#[test]
fn offsets_that_cannot_be_fetched_delay_the_start_only_as_long() {
    let codes = [
        Error::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        Error::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        Error::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        Error::RD_KAFKA_RESP_ERR_UNKNOWN,
        Error::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        Error::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
    ];
    thread::scope(|scope| {
        for code in codes {
            scope.spawn(move || {
                let what = format!("{code:?}");
                let cluster = Cluster::new(1);
                let group = cluster.group("unknown");
                write(&group, 0, 100);
                cluster.refuse(RDKafkaApiKey::OffsetFetch, code, 3);
                let member = group.join();
                wait_quickly(&format!("{what}: it has partitions"), || member.running.partitions() == 4);
                wait_quickly(&format!("{what}: all are handled"), || member.count() == 100);
                member.stop_cleanly(&what);
            });
        }
    });
}

#[test]
fn a_partition_without_a_leader_holds_up_no_other() {
    let cluster = Cluster::new(1);
    let group = cluster.group("leaderless");
    write(&group, 0, 100);
    cluster.lead(&group.name, 3, -1);
    let began = Instant::now();
    let member = group.join();
    wait_quickly("the others are handled", || member.count() == 75);
    let others = began.elapsed();
    assert!(others < Duration::from_secs(4), "they waited {others:?} for the one without a leader");
    cluster.lead(&group.name, 3, 1);
    wait_quickly("all are handled", || member.count() == 100);
    member.stop_cleanly("leaderless");
}

#[test]
fn fetches_that_fail_and_leaders_that_move_interrupt_for_a_moment() {
    let errors = [
        Some(Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
        Some(Error::RD_KAFKA_RESP_ERR__TRANSPORT),
        Some(Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
        Some(Error::RD_KAFKA_RESP_ERR_UNKNOWN),
        None,
    ];
    thread::scope(|scope| {
        for error in errors {
            scope.spawn(move || {
                let what = error.map_or_else(|| "a leader moves".to_owned(), |error| format!("{error:?}"));
                let cluster = Cluster::new(2);
                let group = cluster.group("moving");
                (0..4).for_each(|partition| cluster.lead(&group.name, partition, 1));
                let feed = Feed::start(&group, RATE);
                let member = group.join();
                let first = member.first_since(&what, Instant::now());
                match error {
                    Some(error) => cluster.refuse(RDKafkaApiKey::Fetch, error, 2),
                    None => (0..4).for_each(|partition| cluster.lead(&group.name, partition, 2)),
                }
                member.first_since(&what, Instant::now() + Duration::from_secs(2));
                let written = feed.finish();
                group.all_is_committed(&what);
                let all = member.stop_cleanly(&what);
                let gap = longest_gap(&all, first, all.last().expect("some").at);
                println!("{what}: gap {gap:?}");
                assert_eq!(none_is_lost(&what, &all, written), 0, "{what}: handled again");
                // librdkafka asks for a topic that is forbidden every 10 s, which it looks at once a second.
                let forbidden = error == Some(Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
                let allowed = Duration::from_secs(if forbidden { 12 } else { 3 });
                assert!(gap < allowed, "{what}: nothing for {gap:?}");
            });
        }
    });
}

#[test]
fn all_brokers_away_for_a_while_lose_nothing() {
    let cluster = Cluster::new(1);
    let group = cluster.group("dark");
    write(&group, 0, 1_000);
    let member = group.join();
    wait_quickly("all are handled", || member.count() == 1_000);
    cluster.set_up(1, false);
    thread::sleep(Duration::from_secs(3));
    cluster.set_up(1, true);
    let back = Instant::now();
    write(&group, 1_000, 1_000);
    wait_quickly("the rest is handled", || member.count() >= 2_000);
    let took = back.elapsed();
    assert!(took < Duration::from_secs(5), "handled after {took:?}");
    group.all_is_committed("dark");
    none_is_lost("dark", &member.stop_cleanly("dark"), 2_000);
}

#[test]
fn an_offset_out_of_range_begins_at_the_earliest_record() {
    let cluster = Cluster::new(1);
    let group = cluster.group("beyond");
    write(&group, 0, 100);
    commit(&group, 0, 500);
    let member = group.join();
    wait_quickly("all are handled", || member.count() == 100);
    member.stop_cleanly("beyond");
}

/// librdkafka counts an error in place of a record as one, and lets a partition go on behind it after a rebalance.
#[test]
fn a_rebalance_after_an_error_skips_no_record_and_repeats_none() {
    let cluster = Cluster::new(1);
    cluster.session(Duration::from_secs(20));
    let group = cluster.group("skewed");
    write(&group, 0, 100);
    let first = group.join();
    wait_quickly("all are handled", || first.count() == 100);
    group.all_is_committed("skewed");
    cluster.track();
    cluster.refuse(RDKafkaApiKey::Fetch, Error::RD_KAFKA_RESP_ERR_UNKNOWN, 1);
    wait_quickly("the refusal is heard, and what comes after it", || {
        cluster.tracked(RDKafkaApiKey::Fetch) > 8
    });
    let second = group.join();
    first.owns("skewed", 2);
    second.owns("skewed", 2);
    write(&group, 100, 4);
    wait_quickly("one more of each partition is handled", || first.count() + second.count() >= 104);
    group.all_is_committed("skewed");
    let mut all = first.stop_cleanly("skewed");
    all.extend(second.stop_cleanly("skewed"));
    assert_eq!(none_is_lost("skewed", &all, 104), 0, "handled again");
}

/// As when a topic is made again, or its log was cut: what comes then are other records, with offsets that are known.
#[test]
fn a_log_that_begins_again_is_handled_again() {
    let cluster = Cluster::new(1);
    let group = cluster.group("again");
    write(&group, 0, 100);
    let member = group.join();
    wait_quickly("all are handled", || member.count() == 100);
    group.all_is_committed("again");
    cluster.refuse(RDKafkaApiKey::Fetch, Error::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, 1);
    wait_quickly("all are handled again", || member.count() == 200);
    write(&group, 100, 100);
    wait_quickly("the rest is handled", || member.count() == 300);
    group.all_is_committed("again");
    none_is_lost("again", &member.stop_cleanly("again"), 200);
}

/// In one assignment: the second time it is another lane that has to notice, one that was made to begin again itself.
#[test]
fn a_log_that_begins_again_twice_is_handled_again_twice() {
    let cluster = Cluster::new(1);
    let group = cluster.group("twice");
    write(&group, 0, 100);
    let member = group.join();
    wait_quickly("all are handled", || member.count() == 100);
    for times in 2..=4 {
        group.all_is_committed("twice");
        cluster.refuse(RDKafkaApiKey::Fetch, Error::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, 1);
        wait_quickly(&format!("all are handled {times} times"), || member.count() == times * 100);
    }
    write(&group, 100, 100);
    wait_quickly("the rest is handled", || member.count() == 500);
    group.all_is_committed("twice");
    none_is_lost("twice", &member.stop_cleanly("twice"), 200);
}

/// What is left of the old log and the first of the new one come in one batch.
#[test]
fn a_log_that_begins_again_behind_a_backlog_is_handled_again() {
    let cluster = Cluster::new(1);
    let mut group = cluster.group("backlog");
    group.slow = Duration::from_millis(4);
    // More than a batch in each partition.
    write(&group, 0, 1_600);
    let member = group.join();
    // One request is refused: it has to ask for all partitions.
    let reads = |partition| member.all().iter().filter(|call| call.partition == partition).count() >= 8;
    wait_quickly("some of each partition are handled", || (0..4).all(reads));
    cluster.refuse(RDKafkaApiKey::Fetch, Error::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, 1);
    wait_quickly("all are handled again", || member.count() >= 3_200);
    group.all_is_committed("backlog");
    none_is_lost("backlog", &member.stop_cleanly("backlog"), 1_600);
}

/// To begin a partition in the middle of a rebalance would be taken for the answer that is still owed.
#[test]
fn offsets_that_are_known_during_a_revocation_give_nothing_away_before_its_calls_have_ended() {
    thread::scope(|scope| {
        // Which of them move is the broker's to say.
        for late in 0..4 {
            scope.spawn(move || {
                let what = format!("partition {late} is late");
                let cluster = Cluster::new(1);
                cluster.session(Duration::from_secs(20));
                let mut group = cluster.group("late");
                group.slow = Duration::from_secs(3);
                write(&group, 0, 8);
                cluster.lead(&group.name, late, -1);
                let first = group.join();
                wait_quickly(&format!("{what}: the others are at work"), || first.count() == 3);
                let second = group.join();
                thread::sleep(Duration::from_millis(1_200));
                cluster.lead(&group.name, late, 1);
                wait_quickly(&what, || first.count() + second.count() >= 8);
                group.all_is_committed(&what);
                let mut all = first.stop_cleanly(&what);
                all.extend(second.stop_cleanly(&what));
                assert_eq!(none_is_lost(&what, &all, 8), 0, "{what}: handled twice: {all:?}");
            });
        }
    });
}

/// Out of range, and told not to begin elsewhere: librdkafka stops the partition for good, without a word.
#[test]
fn a_partition_that_is_assigned_and_not_fetched_begins_again_within_10_s() {
    let cluster = Cluster::new(1);
    let group = cluster.group("deaf").property("auto.offset.reset", "error");
    write(&group, 0, 40);
    commit(&group, 0, 20);
    let member = group.join();
    wait_quickly("the others are handled", || member.count() == 30);
    thread::sleep(Duration::from_secs(1));
    // Now the offset exists.
    write(&group, 40, 80);
    let began = Instant::now();
    wait_quickly("it is handled as well", || member.all().iter().any(|handled| handled.partition == 0));
    let took = began.elapsed();
    println!("a deaf partition was heard after {took:?}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    let ids: BTreeSet<u64> = member.stop_cleanly("deaf").iter().map(|handled| handled.id).collect();
    assert!(ids.contains(&80), "what is at the committed offset");
}

/// librdkafka forgets what was stored when it begins a partition again.
#[test]
fn what_was_finished_is_committed_though_its_partition_began_again() {
    let cluster = Cluster::new(1);
    let group = cluster.group("forgotten").property("auto.offset.reset", "error");
    write(&group, 0, 40);
    cluster.refuse(RDKafkaApiKey::OffsetCommit, Error::RD_KAFKA_RESP_ERR_UNKNOWN, 1_000);
    let member = group.join();
    wait_quickly("all are handled", || member.count() == 40);
    // Stops all partitions, until they are found to be deaf.
    cluster.refuse(RDKafkaApiKey::Fetch, Error::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, 1);
    thread::sleep(Duration::from_millis(500));
    produce(&group.brokers, &group.name, 1, 40, 10, |id| format!(r#"{{"id":{id}}}"#));
    wait_quickly("they began again", || member.count() == 50);
    // Nothing comes in the other three that could be stored anew.
    cluster.relent(RDKafkaApiKey::OffsetCommit);
    group.all_is_committed("forgotten");
    member.stop_cleanly("forgotten");
}

#[test]
fn a_topic_that_is_made_later_is_read_from_its_beginning() {
    let cluster = Cluster::new(1);
    let group = Group::new(&cluster.address(), "to-come", faststream::kafka::Protocol::Cooperative, 4)
        .property("topic.metadata.refresh.interval.ms", "1000");
    let member = group.join();
    thread::sleep(Duration::from_secs(1));
    cluster.create_topic(&group.name, group.partitions);
    write(&group, 0, 100);
    wait_quickly("all are handled", || member.count() == 100);
    member.stop_cleanly("to come");
}

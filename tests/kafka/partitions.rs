//! Where partitions begin, each by itself.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::behind_proxy::{in_full, play_all};
use crate::broker::Kafka;
use crate::client::{
    commit_beside, committed, create_topic, delete_records, delete_topic, ends, leaders, produce,
};
use crate::members::{Group, Member, PROTOCOLS};
use crate::wait::{PATIENCE, wait_quickly, wait_until};

/// The partition of the offsets' topic that a group belongs to: Java's hash of its name, of 4 partitions.
fn offsets_partition(group: &str) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash.checked_abs().unwrap_or(0) % 4
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

/// A topic that is handled, deleted, and made again after a pause: partitions and records of the old one, and of the new one.
#[derive(Clone, Copy)]
struct Again {
    pause: Duration,
    old: (i32, u64),
    new: (i32, u64),
}

impl Again {
    fn alike(pause: u64) -> Self {
        Self { pause: Duration::from_millis(pause), old: (2, 50), new: (2, 200) }
    }

    /// For each protocol at once.
    fn play(self, kafka: &Kafka) -> String {
        let Self { pause, old, new } = self;
        let groups = PROTOCOLS.map(|protocol| {
            let name = format!("again-{}-{}-{}-{protocol:?}", pause.as_millis(), old.0, new.0);
            create_topic(&kafka.address(), &name, old.0);
            let group = Group::new(&kafka.address(), &name, protocol, old.0);
            produce(&group.brokers, &name, old.0, 0, old.1, |id| format!(r#"{{"id":{id}}}"#));
            let member = group.join();
            wait_quickly("the old topic is handled", || member.count() as u64 == old.1);
            group.all_is_committed(&name);
            (group, member)
        });
        thread::scope(|scope| {
            for (group, _) in &groups {
                scope.spawn(|| self.make_again(group));
            }
        });
        for (mut group, member) in groups {
            group.partitions = new.0;
            let (what, began) = (group.name.as_str(), Instant::now());
            // More partitions than before are found with the next look at the metadata.
            wait_until(&format!("{what}: all of the new topic is handled"), PATIENCE * 2, || {
                new_ones(&member) as u64 == new.1
            });
            let again = member.count() as u64 - old.1;
            println!("{what}: handled {:?} after it was written, {again} calls", began.elapsed());
            group.all_is_committed(what);
            member.stop_cleanly(what);
            assert_eq!(group.committed(), ends(&group.brokers, what, new.0), "{what}");
        }
        format!("{pause:?}: {} records of {} partitions, after {} of {}", new.1, new.0, old.1, old.0)
    }

    fn make_again(&self, group: &Group) {
        let (partitions, records) = self.new;
        delete_topic(&group.brokers, &group.name);
        thread::sleep(self.pause);
        wait_until("the name is free", PATIENCE, || {
            std::panic::catch_unwind(|| create_topic(&group.brokers, &group.name, partitions)).is_ok()
        });
        produce(&group.brokers, &group.name, partitions, NEW, records, |id| format!(r#"{{"id":{id}}}"#));
    }
}

/// The records of a new topic are counted from here on.
const NEW: u64 = 1_000_000;

/// How many of the records of the new topic were handled.
fn new_ones(member: &Member) -> usize {
    member.all().iter().map(|handled| handled.id).filter(|id| *id >= NEW).collect::<BTreeSet<_>>().len()
}

/// Its position in the old topic is one in the new topic, too.
#[test]
#[ignore = "needs Java and Maven"]
fn a_topic_that_is_made_again_loses_none_of_its_records_whatever_the_pause() {
    let pauses: &[u64] = if in_full() { &[300, 1_000, 3_000, 6_000, 20_000] } else { &[300, 3_000] };
    let kafka = Kafka::start("again");
    play_all(pauses, |pause| Ok(Again::alike(*pause).play(&kafka)));
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_topic_that_is_made_again_with_other_partitions_and_records_loses_none_of_them() {
    let again = |pause, old, new| Again { pause: Duration::from_millis(pause), old, new };
    let kafka = Kafka::start("again-otherwise");
    let some = [again(700, (3, 60), (1, 25)), again(2_000, (4, 5_000), (2, 7))];
    // More of them are found within the 30 s between two looks at the metadata.
    let more =
        [again(1_500, (1, 10), (4, 3_000)), again(9_000, (2, 999), (5, 1_001)), again(50, (1, 3), (1, 2))];
    let all = if in_full() { [&some[..], &more].concat() } else { some.to_vec() };
    play_all(&all, |again| Ok(again.play(&kafka)));
}

#[test]
#[ignore = "needs Java and Maven"]
fn an_offset_that_was_committed_in_an_earlier_topic_is_not_used_in_the_next() {
    let kafka = Kafka::start("earlier");
    play_all(&PROTOCOLS, |protocol| {
        let name = format!("earlier-{protocol:?}");
        create_topic(&kafka.address(), &name, 2);
        produce(&kafka.address(), &name, 2, NEW, 200, |id| format!(r#"{{"id":{id}}}"#));
        let group = Group::new(&kafka.address(), &name, *protocol, 2);
        // As what was committed just before a crash, and arrived after the topic was made again.
        commit_beside(&group.brokers, &name, &name, 2, 25, "topic-id=AAAAAAAAAAAAAAAAAAAAAQ");
        let member = group.join();
        wait_until(&format!("{name}: all is handled"), PATIENCE, || new_ones(&member) == 200);
        group.all_is_committed(&name);
        member.stop_cleanly(&name);
        // What this topic's offsets are committed with holds, and so does what others commit.
        for note in [None, Some("of another client")] {
            if let Some(note) = note {
                commit_beside(&group.brokers, &name, &name, 2, 100, note);
            }
            let member = group.join();
            member.owns(&name, 2);
            produce(&group.brokers, &name, 2, NEW + 1_000, 2, |id| format!(r#"{{"id":{id}}}"#));
            wait_until(&format!("{name}: the next is handled"), PATIENCE, || member.count() >= 2);
            assert_eq!(member.count(), if note.is_none() { 2 } else { 4 }, "{name}: {note:?}");
            group.all_is_committed(&name);
            member.stop_cleanly(&name);
        }
        Ok(name)
    });
}

/// The group has committed where it begins, so that a log whose beginning has moved beyond is noticed.
#[test]
#[ignore = "needs Java and Maven"]
fn records_that_expire_before_they_were_read_are_told_of_with_their_number() {
    let kafka = Kafka::start("expiring");
    play_all(&PROTOCOLS, |protocol| {
        let name = format!("expiring-{protocol:?}");
        create_topic(&kafka.address(), &name, 2);
        let group = Group::new(&kafka.address(), &name, *protocol, 2);
        let write =
            |first, count| produce(&group.brokers, &name, 2, first, count, |id| format!(r#"{{"id":{id}}}"#));
        // Nothing is there to be handled, and the group is told all the same where it begins.
        let member = group.join();
        member.owns(&name, 2);
        wait_quickly("it has committed where it begins", || group.committed() == [(0, 0), (1, 0)].into());
        member.stop_cleanly(&name);
        write(0, 200);
        delete_records(&group.brokers, &name, 0, 80);
        delete_records(&group.brokers, &name, 1, 100);
        let member = group.join();
        wait_quickly("the rest is handled", || member.count() == 20);
        wait_quickly("it is shown in health", || {
            let health = member.running.health();
            // The last of them.
            let said = ["/0: 80 records", "/1: 100 records"]
                .map(|said| format!("{name}{said} from offset 0 on were deleted"));
            let is_said = |reason: &String| said.iter().any(|said| reason.contains(said));
            health.degraded && health.reasons.iter().any(is_said)
        });
        wait_quickly("what is gone is passed", || group.committed() == [(0, 100), (1, 100)].into());
        member.stop_cleanly(&name);
        // It is told of once.
        let member = group.join();
        member.owns(&name, 2);
        thread::sleep(Duration::from_millis(500));
        assert!(!member.running.health().degraded, "{name}: {:?}", member.running.health());
        member.stop_cleanly(&name);
        Ok(name)
    });
}

/// The broker keeps offsets for a minute, so it takes longer.
#[test]
#[ignore = "needs Java and Maven"]
fn an_offset_that_does_not_move_is_not_forgotten_by_the_broker() {
    if !in_full() {
        return;
    }
    let settings = "offsets.retention.minutes=1\noffsets.retention.check.interval.ms=500";
    let kafka = Kafka::start_set("kept", settings);
    let groups = PROTOCOLS.map(|protocol| {
        let name = format!("kept-{protocol:?}");
        create_topic(&kafka.address(), &name, 2);
        let group = Group::new(&kafka.address(), &name, protocol, 2);
        produce(&group.brokers, &name, 2, 0, 2, |id| format!(r#"{{"id":{id}}}"#));
        let member = group.join();
        wait_quickly("all is handled", || member.count() == 2);
        group.all_is_committed(&name);
        (group, member)
    });
    thread::sleep(Duration::from_secs(80));
    let groups = groups.map(|(group, member)| {
        drop(member);
        group
    });
    thread::sleep(Duration::from_secs(12));
    for group in &groups {
        assert_eq!(group.committed(), [(0, 1), (1, 1)].into(), "{}", group.name);
    }
}

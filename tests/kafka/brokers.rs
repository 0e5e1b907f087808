//! Brokers that die and come back, topics that grow and are made again.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Protocol;

use crate::behind_proxy::play_all;
use crate::broker::Kafka;
use crate::chaos::Crew;
use crate::client::{
    all_in_sync, create_topic, create_unclean_topic, delete_topic, ends, grow_topic, produce,
};
use crate::members::{Feed, Group, Handled, Member, PROTOCOLS, SESSION, longest_gap, none_is_lost};
use crate::wait::{PATIENCE, wait_quickly, wait_until};

const PARTITIONS: i32 = 4;
/// Records a second, over all partitions.
const RATE: u64 = 400;

/// A group for each protocol, with a topic of its own.
fn groups(brokers: &str, name: &str) -> [Group; 3] {
    PROTOCOLS.map(|protocol| {
        let name = format!("{name}-{protocol:?}");
        create_topic(brokers, &name, PARTITIONS);
        Group::new(brokers, &name, protocol, PARTITIONS)
    })
}

fn write(group: &Group, partitions: i32, first: u64, count: u64) {
    produce(&group.brokers, &group.name, partitions, first, count, |id| format!(r#"{{"id":{id}}}"#));
}

fn two_members(group: &Group) -> [Member; 2] {
    let members = [group.join(), group.join()];
    for member in &members {
        member.owns(&group.name, 2);
    }
    members
}

/// Ends the play: everything is committed, nothing is lost. Says how much was handled again.
fn end_well(group: &Group, feed: Feed, members: [Member; 2]) -> (usize, u64) {
    let written = feed.finish();
    group.all_is_committed(&group.name);
    let all: Vec<_> = members.into_iter().flat_map(|member| member.stop_cleanly(&group.name)).collect();
    (none_is_lost(&group.name, &all, written), written)
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_broker_that_is_killed_and_comes_back_after_the_session_loses_nothing() {
    let mut kafka = Kafka::start("killed");
    let groups = groups(&kafka.address(), "killed");
    let feeds = groups.each_ref().map(|group| Feed::start(group, RATE));
    let members = groups.each_ref().map(two_members);
    thread::sleep(Duration::from_secs(2));
    kafka.kill();
    thread::sleep(SESSION + Duration::from_secs(3));
    kafka.run();
    kafka.answers();
    let back = Instant::now();
    for (group, members) in groups.iter().zip(&members) {
        let first = |member: &Member| member.first_since(&group.name, back);
        let delivered = members.iter().map(first).min().expect("two members") - back;
        println!("{}: delivering {delivered:?} after the port answers", group.name);
        // The members of before the kill may have to expire first.
        assert!(delivered < SESSION + Duration::from_secs(4), "{}: {delivered:?}", group.name);
    }
    for ((group, feed), members) in groups.iter().zip(feeds).zip(members) {
        let (again, written) = end_well(group, feed, members);
        println!("{}: {again} again of {written}", group.name);
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn nodes_restarted_in_turn_lose_nothing() {
    const NODES: usize = 3;
    let mut cluster = Kafka::start_cluster("rolling", NODES);
    let brokers = cluster.iter().map(Kafka::address).collect::<Vec<_>>().join(",");
    let groups = groups(&brokers, "rolling");
    let feeds = groups.each_ref().map(|group| Feed::start(group, RATE));
    let members = groups.each_ref().map(two_members);
    let mut from = Instant::now();
    for (number, node) in cluster.iter_mut().enumerate() {
        node.stop();
        node.run();
        node.answers();
        wait_until("its replicas are in sync again", PATIENCE, || all_in_sync(&brokers, NODES));
        let to = Instant::now();
        for (group, members) in groups.iter().zip(&members) {
            let gaps = members.each_ref().map(|member| longest_gap(&member.all(), from, to));
            println!("{}: node {} restarted, gaps {gaps:?}", group.name, number + 1);
        }
        from = to;
    }
    for ((group, feed), members) in groups.iter().zip(feeds).zip(members) {
        let (again, written) = end_well(group, feed, members);
        println!("{}: {again} again of {written}", group.name);
    }
}

/// A replica that was away while records were written becomes the leader, because the others are gone.
#[test]
#[ignore = "needs Java and Maven"]
fn a_log_that_was_cut_is_read_on_where_it_was_cut() {
    let mut cluster = Kafka::start_cluster("cut", 3);
    let brokers = cluster.iter().map(Kafka::address).collect::<Vec<_>>().join(",");
    let groups = PROTOCOLS.map(|protocol| {
        let name = format!("cut-{protocol:?}");
        create_unclean_topic(&brokers, &name, &[1, 2]);
        let group = Group::new(&brokers, &name, protocol, 1);
        write(&group, 1, 0, 100);
        group
    });
    // Acknowledged by all that are in sync, and all of them are.
    cluster[1].stop();
    for group in &groups {
        write(group, 1, 100, 100);
    }
    let members = groups.each_ref().map(Group::join);
    for (group, member) in groups.iter().zip(&members) {
        wait_quickly("all are handled", || member.count() == 200);
        group.all_is_committed(&group.name);
        member.forget();
    }

    cluster[0].kill();
    cluster[1].run();
    cluster[1].answers();
    let cut = Instant::now();
    for (group, member) in groups.iter().zip(members) {
        // What was cut off is gone; new records take the offsets of old ones.
        wait_until("the other replica leads", PATIENCE, || {
            std::panic::catch_unwind(|| ends(&brokers, &group.name, 1)).is_ok_and(|ends| ends[&0] == 100)
        });
        write(group, 1, 200, 50);
        let is_new = |handled: &&Handled| handled.id >= 200;
        let new = || member.all().iter().filter(is_new).map(|handled| handled.id).collect::<BTreeSet<_>>();
        wait_until(&format!("{}: the new records are handled", group.name), PATIENCE, || new().len() == 50);
        let old = member.count() - new().len();
        println!("{}: handled {:?} after the cut, {old} old ones again", group.name, cut.elapsed());
        // Lower than before.
        group.all_is_committed(&group.name);
        member.stop_cleanly(&group.name);
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn partitions_that_are_added_are_read_from_their_beginning() {
    let kafka = Kafka::start("added");
    let groups = groups(&kafka.address(), "added")
        .map(|group| group.property("topic.metadata.refresh.interval.ms", "2000"));
    let members = groups.each_ref().map(Group::join);
    for (group, member) in groups.iter().zip(&members) {
        write(group, 4, 0, 400);
        wait_quickly("the first partitions are handled", || member.count() == 400);
        grow_topic(&group.brokers, &group.name, 8);
        // Before the member knows of them.
        write(group, 8, 400, 800);
    }
    for (mut group, member) in groups.into_iter().zip(members) {
        let began = Instant::now();
        wait_until(&format!("{}: all are handled", group.name), PATIENCE, || member.count() >= 1_200);
        println!("{}: all are handled after {:?}", group.name, began.elapsed());
        group.partitions = 8;
        group.all_is_committed(&group.name);
        none_is_lost(&group.name, &member.stop_cleanly(&group.name), 1_200);
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_group_that_begins_at_the_end_reads_what_is_added_from_its_beginning_and_nothing_of_what_was_there() {
    let kafka = Kafka::start("from-the-end");
    for group in groups(&kafka.address(), "from-the-end") {
        let mut group = group.property("topic.metadata.refresh.interval.ms", "2000");
        group.latest = true;
        write(&group, 4, 0, 400);
        // At the same time: neither may take the first commits of the other for those of an older group.
        let members = [group.join(), group.join()];
        for member in &members {
            member.owns(&group.name, 2);
        }
        group.all_is_committed(&group.name);
        write(&group, 4, 400, 400);
        let count = || members.iter().map(crate::members::Member::count).sum::<usize>();
        wait_quickly("what was written then is handled", || count() == 400);
        grow_topic(&group.brokers, &group.name, 8);
        // Before the members know of them.
        write(&group, 8, 800, 800);
        let began = Instant::now();
        wait_until("what was added is handled", PATIENCE, || count() >= 1_200);
        println!("{}: what was added is handled after {:?}", group.name, began.elapsed());
        group.partitions = 8;
        group.all_is_committed(&group.name);
        let mut all: Vec<_> =
            members.into_iter().flat_map(|member| member.stop_cleanly(&group.name)).collect();

        grow_topic(&group.brokers, &group.name, 12);
        write(&group, 12, 1_600, 1_200);
        let member = group.join();
        wait_until("what was added meanwhile is handled", PATIENCE, || member.count() >= 1_200);
        all.extend(member.stop_cleanly(&group.name));
        let ids: std::collections::BTreeSet<u64> = all.iter().map(|handled| handled.id).collect();
        assert!(ids.into_iter().eq(400..2_800), "{}: all that came, and nothing else", group.name);
    }
}

/// After a while: the member hears of it. At once: it does not, and goes on where the old topic ended.
#[test]
#[ignore = "needs Java and Maven"]
fn a_topic_that_is_made_again_is_read_from_its_beginning() {
    let kafka = Kafka::start("remade");
    for pause in [Duration::from_secs(5), Duration::ZERO] {
        let groups = groups(&kafka.address(), &format!("remade-{}", pause.as_secs()))
            .map(|group| group.property("topic.metadata.refresh.interval.ms", "2000"));
        let members = groups.each_ref().map(Group::join);
        for (group, member) in groups.iter().zip(&members) {
            write(group, 4, 0, 400);
            wait_quickly("the old topic is handled", || member.count() == 400);
            group.all_is_committed(&group.name);
            delete_topic(&group.brokers, &group.name);
        }
        if !pause.is_zero() {
            for (group, member) in groups.iter().zip(&members) {
                wait_quickly(&format!("{}: nothing is assigned", group.name), || {
                    member.running.partitions() == 0
                });
            }
        }
        for (group, member) in groups.iter().zip(members) {
            wait_until("the name is free", PATIENCE, || {
                std::panic::catch_unwind(|| create_topic(&group.brokers, &group.name, PARTITIONS)).is_ok()
            });
            // Fewer than before: a position in the old topic is beyond all of them.
            write(group, 4, 1_000, 200);
            let began = Instant::now();
            let new = || member.all().iter().filter(|handled| handled.id >= 1_000).count();
            wait_until(&format!("{}, {pause:?}: the new topic is handled", group.name), PATIENCE, || {
                new() >= 200
            });
            println!("{}: made again after {pause:?}, handled {:?} later", group.name, began.elapsed());
            group.all_is_committed(&group.name);
            member.stop_cleanly(&group.name);
        }
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_static_member_that_restarts_within_its_session_moves_nothing() {
    let kafka = Kafka::start("static");
    for group in groups(&kafka.address(), "static") {
        let named = |name: &str| group.clone().property("group.instance.id", name).join();
        let feed = Feed::start(&group, RATE);
        let (first, second) = (named("one"), named("two"));
        first.owns(&group.name, 2);
        second.owns(&group.name, 2);
        thread::sleep(Duration::from_secs(2));
        let stopped = Instant::now();
        let mut all = second.stop_cleanly(&group.name);
        let second = named("two");
        let back = second.first_since(&group.name, stopped) - stopped;
        thread::sleep(Duration::from_secs(1));
        let gap = longest_gap(&first.all(), stopped, Instant::now());
        assert_eq!(first.running.partitions(), 2, "{}: nothing moved", group.name);
        println!("{}: back after {back:?}, the other one paused {gap:?}", group.name);
        assert!(gap < Duration::from_millis(500), "{}: the other one paused {gap:?}", group.name);
        let written = feed.finish();
        group.all_is_committed(&group.name);
        all.extend(first.stop_cleanly(&group.name));
        all.extend(second.stop_cleanly(&group.name));
        assert_eq!(none_is_lost(&group.name, &all, written), 0, "{}: handled again", group.name);
    }
}

/// SIGKILL, and started again at once: KIP-848 refuses it until the session of its former self is over.
#[test]
#[ignore = "needs Java and Maven"]
fn a_static_member_that_crashed_joins_again_under_its_name() {
    let kafka = Kafka::start("static-killed");
    play_all(&groups(&kafka.address(), "static-killed"), |group| {
        let group = group.clone().property("group.instance.id", "one");
        let crew = Crew::new(&group);
        let feed = Feed::start(&group, RATE);
        let first = crew.start(0);
        wait_quickly(&format!("{}: it works", group.name), || group.committed().len() == 4);
        first.kill();
        let (killed, before) = (Instant::now(), crew.lines().len());
        let mut second = crew.start(1);
        let limit = SESSION + Duration::from_secs(15);
        wait_until(&format!("{}: it handles again", group.name), limit, || {
            assert!(second.runs(), "{}: it ended: {}", group.name, second.log());
            crew.lines().len() > before
        });
        let took = killed.elapsed();
        if group.protocol == Protocol::Consumer {
            second.logs(Duration::ZERO, &["UnreleasedInstanceId", "the session of its former self is over"]);
            let lines = second.log().lines().filter(|line| line.contains("UnreleasedInstanceId")).count();
            assert!(lines <= 3, "{}: said {lines} times", group.name);
        }
        let written = feed.finish();
        group.all_is_committed(&group.name);
        assert_eq!(second.stop().code(), Some(0), "{}", group.name);
        crew.none_is_lost(written);
        Ok(format!("{}: handles again {took:?} after it was killed", group.name))
    });
}

/// Classic groups fence the old one, KIP-848 refuses the new one.
#[test]
#[ignore = "needs Java and Maven"]
fn of_two_members_with_one_instance_id_one_stops_with_3_and_a_sentence() {
    let kafka = Kafka::start("twice");
    for group in groups(&kafka.address(), "twice") {
        let group = group.property("group.instance.id", "one");
        let feed = Feed::start(&group, RATE);
        let first = group.join();
        first.first_since(&group.name, Instant::now());
        let joined = Instant::now();
        let second = group.join();
        let (mut fenced, other) =
            if group.protocol == Protocol::Consumer { (second, first) } else { (first, second) };
        let exit = fenced.ends();
        let (took, handled) = (joined.elapsed(), fenced.count());
        assert_eq!(exit.code, 3, "{}: {:?}", group.name, exit.messages);
        let says = |word: &str| exit.messages.iter().any(|sentence| sentence.contains(word));
        assert!(
            says("two members have one group.instance.id: give each process its own"),
            "{}: {:?}",
            group.name,
            exit.messages
        );
        println!("{}: stopped after {took:?}: {:?}", group.name, exit.messages);
        // KIP-848: it may be its own crashed self that holds the place, until its session is over.
        let waits = if group.protocol == Protocol::Consumer {
            SESSION + Duration::from_secs(15)
        } else {
            Duration::ZERO
        };
        assert!(took >= waits && took < waits + Duration::from_secs(6), "{}: {took:?}", group.name);
        other.owns(&group.name, 4);
        let mut all = fenced.all();
        assert_eq!(all.len(), handled, "{}: it was fed after its end", group.name);
        let written = feed.finish();
        group.all_is_committed(&group.name);
        all.extend(other.stop_cleanly(&group.name));
        none_is_lost(&group.name, &all, written);
    }
}

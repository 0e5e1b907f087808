//! Commands that change what is read while the member runs: pause, resume, seek, subscribe, unsubscribe.

use std::sync::Arc;
use std::time::Duration;

use super::UnderTest;
use super::member::{ScriptedMembership, fill, fill_all, yields_nothing};
use super::under_test::{PATIENCE, publish};
use crate::TopicPartition;
use crate::broker::{Broker, Command, SeekTo, Stale};
use crate::policy::Start;

/// How long a lane that yields nothing is observed.
const LOOK: Duration = Duration::from_millis(300);

/// Returns how many records of the topic the group of its name has not committed.
async fn backlog(broker: &dyn Broker, topic: &str) -> u64 {
    let known = broker.backlog(topic, &[topic.to_owned()]).await.expect("it answers");
    known.first().map_or(0, |(_, records)| *records)
}

/// Checks that a paused lane yields nothing that it had not handed out, while it stores and commits, and that it goes on
/// at the next record when it is resumed, without a rebalance.
pub async fn a_paused_lane_yields_nothing_until_it_is_resumed(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "paused-lane");
    on.create_topic(topic, 2);
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lanes = vec![member.lane().await, member.lane().await];
    lanes.sort_by_key(|lane| lane.partition());
    for partition in [0, 1] {
        publish(&*broker, topic, partition, 3).await;
    }
    for lane in &mut lanes {
        assert_eq!(fill_all(&mut **lane, 3).await, [0, 1, 2]);
    }
    member.command([Command::Pause(lanes[0].epoch())]);
    member.taken().await;
    for partition in [0, 1] {
        publish(&*broker, topic, partition, 2).await;
    }
    assert!(yields_nothing(&mut *lanes[0], LOOK).await);
    assert_eq!(fill_all(&mut *lanes[1], 2).await, [3, 4], "the other one is read");
    lanes[0].store(3).expect("the lane is not over");
    member.command([Command::CommitNow]);
    member.commits_up_to(3).await;
    assert!(yields_nothing(&mut *lanes[0], LOOK).await);
    // Twice is once.
    member.command([Command::Pause(lanes[0].epoch()), Command::Resume(lanes[0].epoch())]);
    assert_eq!(fill_all(&mut *lanes[0], 2).await, [3, 4]);
    member.close().await;
}

/// Checks that a pause ends with its lane: the partition's next lane is read, and may be paused again.
pub async fn a_pause_ends_with_its_lane(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "pause-of-a-lane");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 3).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lane = member.lane().await;
    assert_eq!(fill_all(&mut *lane, 3).await, [0, 1, 2]);
    member.command([Command::Pause(lane.epoch())]);
    member.taken().await;
    assert!(yields_nothing(&mut *lane, LOOK).await);
    member.command([Command::Reopen(lane.epoch())]);
    let mut next = member.lane().await;
    assert_eq!(fill_all(&mut *next, 3).await, [0, 1, 2]);
    member.command([Command::Pause(next.epoch())]);
    member.taken().await;
    publish(&*broker, topic, 0, 1).await;
    // Resuming a lane that is over resumes no other.
    member.command([Command::Resume(lane.epoch())]);
    member.taken().await;
    assert!(yields_nothing(&mut *next, LOOK).await);
    member.command([Command::Resume(next.epoch())]);
    assert_eq!(fill(&mut *next).await, [3]);
    member.close().await;
}

/// Checks that a seek ends the lane, and that the next one begins at its offset, forwards and backwards, whether or not
/// the lane was paused.
pub async fn a_seek_ends_the_lane_and_the_next_one_begins_at_its_offset(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "seek");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 6).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut first = member.lane().await;
    assert_eq!(fill_all(&mut *first, 6).await, [0, 1, 2, 3, 4, 5]);
    let mut lane: Option<Box<dyn crate::broker::Lane>> = None;
    for (next, paused) in [(2, false), (5, false), (0, true), (6, true), (3, false)] {
        let epoch = lane.as_deref().unwrap_or(&*first).epoch();
        if paused {
            member.command([Command::Pause(epoch)]);
        }
        member.command([Command::Seek { lane: epoch, next }]);
        let mut opened = member.lane().await;
        assert_eq!(opened.start(), next);
        let there: Vec<i64> = (next..6).collect();
        assert_eq!(fill_all(&mut *opened, there.len()).await, there);
        lane = Some(opened);
    }
    assert_eq!(first.store(6), Err(Stale));
    assert!(yields_nothing(&mut *first, LOOK).await);
    let mut last = lane.expect("the last one");
    publish(&*broker, topic, 0, 1).await;
    assert_eq!(fill(&mut *last).await, [6], "it goes on");
    member.close().await;
}

/// Checks what is committed around a seek backwards: what was stored before, nothing by the seek, then the lower offsets
/// of the new lane.
pub async fn after_a_seek_backwards_lower_offsets_are_committed_once_they_are_stored(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "seek-backwards");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 6).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut first = member.lane().await;
    assert_eq!(fill_all(&mut *first, 6).await.len(), 6);
    first.store(4).expect("the lane is not over");
    member.command([Command::CommitNow]);
    member.commits_up_to(4).await;
    first.store(6).expect("the lane is not over");
    member.command([Command::Seek { lane: first.epoch(), next: 1 }]);
    let mut again = member.lane().await;
    assert_eq!(fill_all(&mut *again, 5).await, [1, 2, 3, 4, 5]);
    let stored = async {
        while backlog(&*broker, topic).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("what was stored before the seek is committed");
    again.store(2).expect("the lane is not over");
    member.command([Command::CommitNow]);
    member.commits_up_to(2).await;
    assert_eq!(backlog(&*broker, topic).await, 4);
    member.close().await;
    let next = ScriptedMembership::join(&*broker, topic, topic);
    assert_eq!(next.lane().await.start(), 2);
    next.close().await;
}

/// Checks that lower offsets that were stored after a seek backwards are committed when the lane ends before any commit.
pub async fn a_lane_that_ends_after_a_seek_backwards_commits_its_lower_offset(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "seek-then-end");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 6).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut first = member.lane().await;
    assert_eq!(fill_all(&mut *first, 6).await.len(), 6);
    first.store(6).expect("the lane is not over");
    member.command([Command::CommitNow]);
    member.commits_up_to(6).await;
    member.command([Command::Seek { lane: first.epoch(), next: 1 }]);
    let mut again = member.lane().await;
    assert_eq!(fill_all(&mut *again, 5).await, [1, 2, 3, 4, 5]);
    again.store(3).expect("the lane is not over");
    member.close().await;
    let next = ScriptedMembership::join(&*broker, topic, topic);
    assert_eq!(next.lane().await.start(), 3);
    next.close().await;
}

/// Checks that the ends of a partition and the offsets between them can be sought, and nothing else.
pub async fn only_offsets_between_the_ends_of_a_partition_are_found(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "find-offset");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 3).await;
    let tp = TopicPartition::new(topic, 0);
    for (to, found) in [
        (SeekTo::Beginning, 0),
        (SeekTo::End, 3),
        (SeekTo::Offset(0), 0),
        (SeekTo::Offset(2), 2),
        (SeekTo::Offset(3), 3),
    ] {
        assert_eq!(broker.find_offset(&tp, to).await, Ok(found), "{to}");
    }
    for offset in [-1, 4] {
        let error = broker.find_offset(&tp, SeekTo::Offset(offset)).await.expect_err("it is beyond the ends");
        let text = error.to_string();
        assert!(text.contains(&format!("{tp} has no offset {offset}")), "{text}");
    }
    let missing = TopicPartition::new(topic, 7);
    let error = broker.find_offset(&missing, SeekTo::End).await.expect_err("there is no such partition");
    assert!(error.to_string().contains(&format!("{missing} does not exist")), "{error}");
}

/// Checks that a topic that is subscribed to later is read beside the others, and that its lanes are revoked in the normal
/// way once it is unsubscribed from.
pub async fn topics_come_and_go_while_the_others_are_read(on: &dyn UnderTest) {
    let (broker, topic, other) = (on.broker(), "stays", "comes-and-goes");
    on.create_topic(topic, 1);
    on.create_topic(other, 1);
    for name in [topic, other] {
        publish(&*broker, name, 0, 3).await;
    }
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut kept = member.lane().await;
    assert_eq!(fill_all(&mut *kept, 3).await.len(), 3);
    let name: Arc<str> = other.into();
    member.command([Command::Subscribe { topic: Arc::clone(&name), start: Start::Earliest }]);
    let mut added = member.lane().await;
    assert_eq!((added.topic(), added.start()), (other, 0));
    assert_eq!(fill_all(&mut *added, 3).await, [0, 1, 2]);
    added.store(2).expect("the lane is not over");
    member.command([Command::Unsubscribe { topic: Arc::clone(&name) }]);
    let (revocation, lanes) = member.revoked().await;
    assert_eq!(lanes, [added.epoch()], "the other topic stays");
    member.command([Command::Answer(revocation)]);
    publish(&*broker, topic, 0, 1).await;
    assert_eq!(fill(&mut *kept).await, [3]);
    // Back again: it goes on where it was released.
    member.command([Command::Subscribe { topic: name, start: Start::Earliest }]);
    let mut again = member.lane().await;
    assert_eq!((again.topic(), again.start()), (other, 2));
    assert_eq!(added.store(3), Err(Stale));
    assert_eq!(fill(&mut *again).await, [2]);
    member.close().await;
}

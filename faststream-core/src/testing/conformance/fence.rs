//! The fence: a lane that has ended accepts no offsets and yields no records, and the next one begins where it
//! ended.
//!
//! This is what makes a late ack harmless. A handler may finish long after its partition has moved, and the
//! runtime cannot know that in time, so the backend has to refuse the offset.
//!
//! A fence is raised by an answered revocation, a close, a crash or a reopened partition. The checks use the first
//! and the last: both leave the member in its group, so that it can look at its old lane.

use std::time::Duration;

use super::member::{ScriptedMembership, fill, fill_all, yields_nothing};
use super::under_test::{UnderTest, publish};
use crate::broker::{Command, Stale};

/// How long a lane that has ended is observed before it counts as silent.
const LOOK: Duration = Duration::from_millis(300);

/// Checks that a store after the fence is [`Stale`], by the lane and from another thread, and changes nothing.
///
/// The lane is fenced by reopening its partition, as after the death of its task. The next member proves that the
/// stale offset 3 was never committed, and that offset 1, which was stored before, was.
///
/// A backend without `late_store` passes: the runtime then stores by the lane's task alone.
pub async fn a_store_after_the_fence_is_stale(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "stale-store");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 3).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lane = member.lane().await;
    assert_eq!(fill_all(&mut *lane, 3).await, [0, 1, 2]);
    let elsewhere = lane.late_store();
    lane.store(1).expect("the lane is not over");
    member.command([Command::Reopen(lane.epoch())]);
    let opened = member.lane().await;
    assert_ne!(opened.epoch(), lane.epoch());
    assert_eq!(lane.store(3), Err(Stale));
    if let Some(store) = elsewhere {
        assert_eq!(store(3), Err(Stale), "from another thread");
    }
    member.close().await;
    let next = ScriptedMembership::join(&*broker, topic, topic);
    assert_eq!(next.lane().await.start(), 1, "the stale offset was committed, or the one before was not");
    next.close().await;
}

/// Checks that a lane yields nothing after the fence, whatever has arrived or arrives for its partition. Its
/// successor has all of it.
pub async fn a_fill_after_the_fence_yields_nothing(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "fill-after-fence");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 3).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lane = member.lane().await;
    member.command([Command::Reopen(lane.epoch())]);
    let mut opened = member.lane().await;
    publish(&*broker, topic, 0, 1).await;
    assert!(yields_nothing(&mut *lane, LOOK).await);
    assert_eq!(opened.start(), 0);
    assert_eq!(fill_all(&mut *opened, 4).await, [0, 1, 2, 3], "its successor has all of it");
    member.close().await;
}

/// Checks that a revoked lane may still store until its revocation is answered. Then what it stored is committed,
/// the lane has ended, and the partition continues there with its next owner.
///
/// A drain depends on it: calls that end during a revocation must count. A second member causes the revocation;
/// which of the two partitions moves is left to the backend.
pub async fn a_revoked_lane_is_over_once_the_revocation_is_answered(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "revoked-lane");
    on.create_topic(topic, 2);
    let first = ScriptedMembership::join(&*broker, topic, topic);
    let mut lanes = vec![first.lane().await, first.lane().await];
    for partition in [0, 1] {
        publish(&*broker, topic, partition, 3).await;
    }
    for lane in &mut lanes {
        assert_eq!(fill_all(&mut **lane, 3).await, [0, 1, 2]);
    }
    let second = ScriptedMembership::join(&*broker, topic, topic);
    let (revocation, revoked) = first.revoked().await;
    assert!(!revoked.is_empty());
    let (mut over, kept): (Vec<_>, Vec<_>) =
        lanes.into_iter().partition(|lane| revoked.contains(&lane.epoch()));
    for lane in &mut over {
        lane.store(2).expect("it is not answered yet");
    }
    first.answer_at_once();
    first.command([Command::Answer(revocation)]);
    let mut moved = second.lane().await;
    let old = over.iter_mut().find(|lane| lane.partition() == moved.partition()).expect("it was revoked");
    assert_eq!(old.store(3), Err(Stale));
    assert!(yields_nothing(&mut **old, LOOK).await);
    assert_eq!(moved.start(), 2, "what was stored before the answer is committed with it");
    assert_eq!(fill(&mut *moved).await, [2]);
    drop(kept);
    second.answer_at_once();
    second.close().await;
    first.close().await;
}

/// Checks that a lane whose task died is opened again at its stored or the committed offset, whichever is later.
///
/// Three times: at an offset that was only stored, at one that was stored and committed, and at the committed one,
/// after a lane that stored nothing. If a reopened lane began before its stored offset, it would repeat finished
/// records; if it began after both, it would lose some.
pub async fn a_lane_is_reopened_at_the_later_of_committed_and_stored(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "reopened-lane");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 5).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lane = member.lane().await;
    assert_eq!(fill_all(&mut *lane, 5).await.len(), 5);
    lane.store(2).expect("the lane is not over");
    // Stored, and not committed.
    member.command([Command::Reopen(lane.epoch())]);
    let mut stored = member.lane().await;
    assert_eq!(stored.start(), 2);
    assert_eq!(fill_all(&mut *stored, 3).await, [2, 3, 4]);
    stored.store(4).expect("the lane is not over");
    member.command([Command::CommitNow]);
    member.commits_up_to(4).await;
    // Committed, and the lane that ends has stored nothing since.
    member.command([Command::Reopen(stored.epoch())]);
    let reopened = member.lane().await;
    assert_eq!(reopened.start(), 4);
    member.command([Command::Reopen(reopened.epoch())]);
    let mut committed = member.lane().await;
    assert_eq!((committed.start(), fill(&mut *committed).await), (4, vec![4]));
    member.close().await;
}

//! The end of a membership: the close of a member, as a shutdown asks for it.
//!
//! A close is the only clean end of a membership: the group learns of it at once, and the partitions need not wait
//! for the session to expire. The runtime answers no open revocation any more then; the backend does.

use std::time::Duration;

use super::member::{ScriptedMembership, fill_all, yields_nothing};
use super::under_test::{UnderTest, publish};
use crate::broker::Stale;

/// Checks that closing fences every lane, commits what they stored, and ends with `Event::Closed`.
///
/// The offset stored before the close is where the next member begins. An offset stored after it is [`Stale`], and
/// the lane reads nothing more, although a record arrives.
pub async fn closing_fences_commits_and_ends_with_closed(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "closing");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 3).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lane = member.lane().await;
    assert_eq!(fill_all(&mut *lane, 3).await.len(), 3);
    lane.store(2).expect("the lane is not over");
    member.close().await;
    assert_eq!(lane.store(3), Err(Stale));
    publish(&*broker, topic, 0, 1).await;
    assert!(yields_nothing(&mut *lane, Duration::from_millis(300)).await);
    let next = ScriptedMembership::join(&*broker, topic, topic);
    let mut lane = next.lane().await;
    assert_eq!((lane.start(), fill_all(&mut *lane, 2).await), (2, vec![2, 3]));
    next.close().await;
}

//! Requested commits: one in flight at a time, and the newest offset last.
//!
//! A member asks for a commit after each record with `commit = Each`, and for each durable ack. A backend that
//! sent all of them would send one request for each record.

use std::time::Duration;

use super::member::{ScriptedMembership, fill_all};
use super::under_test::{UnderTest, publish};
use crate::broker::Command;

/// The delay of answers, long enough that the check can store and ask while a commit is in flight.
const DELAY: Duration = Duration::from_millis(600);

/// Checks that commits requested while one is in flight become one more, with the newest offset.
///
/// Five requests lead to two commits: of offset 1, which is in flight when the other four arrive, and of offset 4.
/// Both reports name the lane that stored the offset.
pub async fn commits_asked_for_while_one_is_in_flight_become_one_more(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "coalesced-commits");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 5).await;
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lane = member.lane().await;
    assert_eq!(fill_all(&mut *lane, 5).await.len(), 5);
    on.delay_answers(DELAY);
    lane.store(1).expect("the lane is not over");
    member.command([Command::CommitNow]);
    member.taken().await;
    // It is then in flight: a backend sends it in the turn in which it takes the command.
    tokio::time::sleep(DELAY / 3).await;
    for next in 2..=4 {
        lane.store(next).expect("the lane is not over");
    }
    member.command(std::iter::repeat_n(Command::CommitNow, 4));
    member.commits_up_to(4).await;
    tokio::time::sleep(DELAY * 2).await;
    let commits = member.commits();
    assert!(commits.iter().all(|report| report.result.is_ok()), "{commits:?}");
    assert!(commits.iter().all(|report| report.lane == lane.epoch()), "{commits:?}");
    let offsets: Vec<i64> = commits.iter().map(|report| report.next).collect();
    assert_eq!(offsets, [1, 4]);
    member.close().await;
}

/// Checks that the backlog of a topic is the number of records that the group has not committed: all of them
/// before its first commit, and the rest after it. The topic list must contain the topic, with its number of
/// partitions.
///
/// The group of each check is named after its topic.
pub async fn backlog_is_what_the_group_has_not_committed(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "backlog");
    on.create_topic(topic, 2);
    broker.connect().await.expect("it answers");
    let topics = broker.topics().await.expect("it answers");
    assert!(topics.contains(&(topic.to_owned(), 2)), "{topics:?}");
    publish(&*broker, topic, 0, 5).await;
    let names = [topic.to_owned()];
    assert_eq!(broker.backlog(topic, &names).await, Ok(vec![(topic.to_owned(), 5)]));
    let member = ScriptedMembership::join(&*broker, topic, topic);
    let mut lanes = vec![member.lane().await, member.lane().await];
    lanes.retain(|lane| lane.partition() == 0);
    assert_eq!(fill_all(&mut *lanes[0], 5).await.len(), 5);
    lanes[0].store(3).expect("the lane is not over");
    member.command([Command::CommitNow]);
    member.commits_up_to(3).await;
    assert_eq!(broker.backlog(topic, &names).await, Ok(vec![(topic.to_owned(), 2)]));
    member.close().await;
}

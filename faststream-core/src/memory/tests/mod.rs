//! The broker under the real runtime, in virtual time.

mod away;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::MemoryBroker;
use crate::broker::{Broker, CommitClass, GroupRequest, Remedy};
use crate::context::{Context, Observers, PlainCalls, States, StopRequest};
use crate::delivery::{Call, Delivery};
use crate::policy::{AckPolicy, Commit, GroupSettings, OnError, Order, Retry, Start};
use crate::record::Outgoing;
use crate::result::Outcome;
use crate::result::Verdict;
use crate::runtime::{Ended, Member, MemberHandle};
use crate::subscriber::{Handler, LaneSpec, Source, SourceDef, Subscriber, SubscriberDef};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(i32, i64)>>>);

fn call(delivery: &Delivery<'_>) -> Call {
    let record = delivery.record();
    let seen = delivery.state::<Seen>().expect("given");
    seen.0.lock().expect("not poisoned").push((record.partition, record.offset));
    if record.payload == Some(b"slow") {
        return Call::new(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Outcome::Verdict(Verdict::Ack)
        });
    }
    Call::known(Outcome::Verdict(Verdict::Ack))
}

static DEF: SubscriberDef = SubscriberDef {
    name: "handle",
    module: "test",
    package: "test",
    file: "src/test.rs",
    line: 1,
    source: SourceDef::Topics(&["orders"]),
    call,
    ..SubscriberDef::fixture()
};

struct World {
    broker: MemoryBroker,
    seen: Seen,
}

impl World {
    fn new(partitions: i32) -> Self {
        let broker = MemoryBroker::new();
        broker.create_topic("orders", partitions);
        Self { broker, seen: Seen::default() }
    }

    fn join(&self, start: Start) -> MemberHandle {
        let subscriber = Subscriber {
            spec: Arc::new(LaneSpec {
                group: "billing".into(),
                broker: None,
                source: Source::Topics(vec!["orders".into()]),
                start,
                retry_topics: Arc::new([]),
                order: Order::Partition,
                concurrency: 1,
                commit: Commit::Periodic,
                drain: Duration::from_secs(5),
            }),
            handler: Arc::new(Handler {
                def: &DEF,
                name: "handle".into(),
                ack: AckPolicy::NackOnError,
                retry: Retry::default(),
                on_error: OnError::Hold,
                on_decode_error: OnError::Hold,
                dead_letter: None,
                timeout: None,
                publishes: Arc::new([]),
            }),
        };
        let mut states = States::default();
        states.insert(self.seen.clone());
        let context = Arc::new(Context {
            app: "test".into(),
            states: Arc::new(states),
            producer: self.broker.producer().expect("always there"),
            observers: Observers::default(),
            idle: self.broker.idle(),
            plain: PlainCalls::default(),
            skips: std::collections::BTreeSet::new(),
            tally: Arc::default(),
            stop: Arc::new(StopRequest::default()),
            started: (0, Instant::now()),
            random: Mutex::new(fastrand::Rng::with_seed(1)),
        });
        let settings = GroupSettings::default();
        let (member, handle) = Member::new("billing".into(), vec![Arc::new(subscriber)], context, settings);
        let request = GroupRequest {
            group: "billing".into(),
            topics: [("orders".to_owned(), start)].into(),
            patterns: Vec::new(),
            commit_interval: Duration::from_secs(1),
            drain: Duration::from_secs(5),
        };
        self.broker.join(request, Box::new(member)).expect("it joins");
        handle
    }

    fn publish(&self, records: usize, payload: &'static str) {
        for _ in 0..records {
            self.broker.append(Outgoing::new("orders", payload)).expect("it appends");
        }
    }

    async fn settled(&self) {
        timeout(Duration::from_secs(3600), self.broker.settled()).await.expect("it settles");
    }

    fn seen(&self) -> usize {
        self.seen.0.lock().expect("not poisoned").len()
    }

    fn committed(&self) -> i64 {
        self.broker.committed("billing", "orders").values().sum()
    }
}

async fn ended(handle: &MemberHandle) -> Ended {
    timeout(Duration::from_secs(60), handle.ended()).await.expect("it ends")
}

#[tokio::test(start_paused = true)]
async fn records_are_handled_committed_by_the_timer_and_at_the_end() {
    let world = World::new(4);
    let member = world.join(Start::Earliest);
    world.publish(100, "x");
    world.settled().await;
    assert_eq!((world.seen(), world.committed()), (100, 0));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(world.committed(), 100);
    world.publish(10, "x");
    world.settled().await;
    member.shutdown();
    assert_eq!(ended(&member).await, Ended::Clean);
    assert_eq!((world.seen(), world.committed()), (110, 110));
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_what_was_not_committed_after_the_session() {
    let world = World::new(2);
    let member = world.join(Start::Earliest);
    world.publish(10, "x");
    world.settled().await;
    member.crash();
    assert_eq!(ended(&member).await, Ended::Crashed);
    let _second = world.join(Start::Earliest);
    world.settled().await;
    assert_eq!(world.seen(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_join_moves_a_share_without_a_duplicate() {
    let world = World::new(4);
    let first = world.join(Start::Earliest);
    world.publish(100, "x");
    world.settled().await;
    let second = world.join(Start::Earliest);
    world.publish(100, "x");
    world.settled().await;
    assert_eq!(
        (first.status().assignment.lanes, second.status().assignment.lanes, world.seen()),
        (2, 2, 200)
    );
    second.shutdown();
    assert_eq!(ended(&second).await, Ended::Clean);
    world.publish(100, "x");
    world.settled().await;
    assert_eq!((first.status().assignment.lanes, world.seen()), (4, 300));
}

#[tokio::test(start_paused = true)]
async fn every_commit_fails_while_another_member_joins_and_nothing_is_lost() {
    let world = World::new(4);
    let first = world.join(Start::Earliest);
    world.publish(40, "x");
    world.settled().await;
    world.broker.fail_commits(CommitClass::Transient, u32::MAX);
    let began = Instant::now();
    let second = world.join(Start::Earliest);
    world.publish(40, "x");
    world.settled().await;
    assert!(began.elapsed() < Duration::from_secs(1), "delivery waited for commits");
    assert_eq!(second.status().assignment.lanes, 2);
    assert!(first.status().commits.error.is_some() || second.status().assignment.lanes == 2);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.committed(), 0);
    world.broker.fail_commits(CommitClass::Transient, 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.committed(), 80, "what was finished is committed as soon as a commit can succeed");
    assert!(world.seen() >= 80);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_does_not_wait_for_a_stuck_call_beyond_the_drain() {
    let world = World::new(1);
    let first = world.join(Start::Earliest);
    world.publish(1, "slow");
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = Instant::now();
    first.shutdown();
    let Ended::DrainExceeded { left } = ended(&first).await else { panic!("it was cut off") };
    assert!(began.elapsed() <= Duration::from_millis(5_100), "{:?}", began.elapsed());
    assert!(left[0].contains("orders/0 at offset 0: handle"), "{left:?}");
    assert_eq!(world.committed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_membership_is_joined_again() {
    let world = World::new(2);
    let member = world.join(Start::Earliest);
    world.publish(10, "x");
    world.settled().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.broker.lose("billing");
    world.publish(10, "x");
    world.settled().await;
    assert_eq!((member.status().assignment.lanes, world.seen()), (2, 20));
}

#[tokio::test(start_paused = true)]
async fn latest_skips_what_is_there_unless_the_group_has_committed() {
    let world = World::new(1);
    world.publish(10, "x");
    let member = world.join(Start::Latest);
    world.publish(1, "x");
    world.settled().await;
    assert_eq!(world.seen(), 1);
    member.shutdown();
    ended(&member).await;
    world.publish(5, "x");
    let _again = world.join(Start::Latest);
    world.settled().await;
    assert_eq!(world.seen(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_failed_offset_fetch_is_tried_again() {
    let world = World::new(1);
    world.broker.fail_offset_fetch(3);
    world.publish(1, "x");
    let began = Instant::now();
    let _member = world.join(Start::Earliest);
    world.settled().await;
    assert_eq!(world.seen(), 1);
    assert!(began.elapsed() <= Duration::from_millis(350));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_member_takes_its_share_and_gives_it_back() {
    let world = World::new(4);
    let member = world.join(Start::Earliest);
    let external = world.broker.join_external("billing", &["orders"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((external.partitions().len(), member.status().assignment.lanes), (2, 2));
    drop(external);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(member.status().assignment.lanes, 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_arrives_while_disconnected() {
    let world = World::new(1);
    let _member = world.join(Start::Earliest);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.broker.disconnect(Duration::from_secs(10));
    world.publish(1, "x");
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(world.seen(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_lane_stored_before_it_died_is_committed_all_the_same() {
    let world = World::new(1);
    let _member = world.join(Start::Earliest);
    world.publish(3, "x");
    world.settled().await;
    world.broker.break_reads(1);
    // The lane is woken once more, and finds nothing but its end.
    world.broker.disconnect(Duration::from_millis(100));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((world.seen(), world.committed()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn delayed_and_lost_commits_stop_no_delivery_and_one_follows() {
    let world = World::new(1);
    let _member = world.join(Start::Earliest);
    world.broker.delay_commits(Duration::from_secs(5), 1);
    world.broker.lose_commits(1);
    world.publish(3, "x");
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.publish(3, "x");
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!((world.seen(), world.committed()), (6, 0), "the first is still on its way");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.committed(), 3);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(world.committed(), 3, "the second is lost, and is waited for");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.committed(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_stale_commit_costs_the_membership_and_a_fatal_one_the_client() {
    let world = World::new(1);
    let member = world.join(Start::Earliest);
    world.broker.fail_commits(CommitClass::Stale, 1);
    world.publish(2, "x");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((world.seen(), world.committed()), (4, 2), "handled again, as its owner was in doubt");
    world.broker.fail_commits(CommitClass::Fatal, 1);
    world.publish(1, "x");
    assert!(matches!(ended(&member).await, Ended::Fatal { remedy: Remedy::NewClient, .. }));
    assert_eq!(world.committed(), 2);
}

#[tokio::test(start_paused = true)]
async fn publishes_are_refused_for_good_or_arrive_late_and_in_order() {
    let broker = MemoryBroker::new();
    let producer = broker.producer().expect("always there");
    broker.refuse_publishes_to("out", 1);
    let refused = producer.receipt(&Outgoing::new("out", "a")).await.expect_err("refused");
    assert_eq!(refused.kind, crate::broker::PublishErrorKind::Permanent);
    broker.delay_publishes(Duration::from_secs(2));
    let began = Instant::now();
    let late = producer.receipt(&Outgoing::new("out", "a"));
    let later = producer.receipt(&Outgoing::new("out", "b"));
    assert!(broker.records("out").is_empty());
    let offsets = (late.await.expect("it arrives").offset, later.await.expect("it arrives").offset);
    assert_eq!((offsets, began.elapsed().as_secs()), ((0, 1), 2));
}

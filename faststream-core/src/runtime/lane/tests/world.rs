//! One lane's task on a scripted lane, handler and producer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::broker::{
    Answer, BoxFuture, Epoch, Lane, Producer, PublishError, PublishErrorKind, Published, Stale,
};
use crate::context::{
    BusyGuard, Context, IdleTracker, LaneControl, Observers, PlainCalls, Skip, States, StopRequest,
};
use crate::delivery::{Ack, Call, Delivery, FromDelivery};
use crate::policy::{AckPolicy, Commit, GroupSettings, OnError, Order, Retry, Start};
use crate::record::Outgoing;
use crate::record::{OwnedRecord, Record};
use crate::result::Verdict;
use crate::result::{HandlerError, Outcome, Rejection};
use crate::runtime::lane::{LaneTask, Scope};
use crate::runtime::status::{Notice, Shared};
use crate::subscriber::{Handler, LaneSpec, Source, Subscriber, SubscriberDef};

const PARTITION: i32 = 3;

/// What the handler does at its next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Done,
    Fail,
    Panic,
    Undecodable,
    Nack,
    Reject,
    Skip,
    Stop,
    /// The partition is revoked while the call runs, which then ends well.
    Revoked,
    Publish,
    /// Milliseconds, then done.
    Sleep(u64),
    /// Never ends, and what it holds panics when it is dropped.
    Bomb,
    KeepAck,
    KeepAckAndFail,
    DropAck,
    /// Returns early with this verdict, its `Ack` unsettled.
    DropAckAndStop,
    DropAckAndReject,
    /// Publish a result; the `Ack` is kept, dropped, acked before.
    PublishKeepAck,
    PublishDropAck,
    PublishAckNow,
    /// Acks, then its result cannot be encoded.
    AckNotEncodable,
    /// Acks what an earlier call kept, then nacks its own.
    AckEarlierThenNack,
    AckNow,
    /// Waits inside the call until the broker has it.
    AckDurable,
}

/// Everything that the lane, the handler and the producer share with the test.
#[derive(Default)]
struct Scene {
    topic: &'static str,
    /// How often the rest of a batch was copied out of the broker's buffers.
    detached: usize,
    seen: Vec<Seen>,
    unread: VecDeque<OwnedRecord>,
    waker: Option<Waker>,
    held: bool,
    stored: Option<i64>,
    acts: VecDeque<Act>,
    only_fail: Option<&'static str>,
    calls: Vec<(i64, u32, Instant)>,
    keys: BTreeMap<i64, Vec<u8>>,
    running: usize,
    /// Keys of calls that run, and whether one ever ran twice at a time.
    running_keys: Vec<Vec<u8>>,
    overlapped: bool,
    most_at_once: usize,
    acks: Vec<Ack>,
    refusals: VecDeque<PublishErrorKind>,
    unanswered: Option<VecDeque<Answer>>,
    published: Vec<Outgoing>,
}

impl Scene {
    fn enters(&mut self, key: &[u8]) {
        self.running += 1;
        self.most_at_once = self.most_at_once.max(self.running);
        self.overlapped |= self.running_keys.iter().any(|running| running == key);
        self.running_keys.push(key.to_vec());
    }

    fn leaves(&mut self, key: &[u8]) {
        self.running -= 1;
        let index = self.running_keys.iter().position(|running| running == key);
        self.running_keys.remove(index.expect("it entered"));
    }
}

#[derive(Clone, Default)]
struct Script(Arc<Mutex<Scene>>);

impl Script {
    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().expect("no test panics under the lock")
    }
}

/// A call as the handler sees its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp: Option<i64>,
    pub(super) attempt: u32,
    /// What the lane says that it is at, meanwhile.
    pub(super) at_work: Option<i64>,
}

pub(super) struct World {
    script: Script,
    control: Arc<LaneControl>,
    shared: Arc<Shared>,
    context: Arc<Context>,
    task: Mutex<Option<JoinHandle<()>>>,
}

pub(super) fn record(offset: i64, key: &'static str) -> OwnedRecord {
    let bytes = Some(Bytes::from_static(key.as_bytes()));
    OwnedRecord { offset, key: bytes.clone(), payload: bytes, ..OwnedRecord::default() }
}

impl World {
    pub(super) fn start(change: impl FnOnce(&mut Settings), acts: impl IntoIterator<Item = Act>) -> Self {
        Self::start_with("orders", change, acts, BTreeSet::new())
    }

    /// On a partition of another topic of the subscriber: a retry topic.
    pub(super) fn start_on(
        topic: &'static str,
        change: impl FnOnce(&mut Settings),
        acts: impl IntoIterator<Item = Act>,
    ) -> Self {
        Self::start_with(topic, change, acts, BTreeSet::new())
    }

    pub(super) fn start_skipping(skips: &[(&str, i32, i64)]) -> Self {
        let skips =
            skips.iter().map(|(topic, partition, offset)| ((*topic).to_owned(), *partition, *offset).into());
        Self::start_with("orders", |_| {}, [], skips.collect())
    }

    fn start_with(
        topic: &'static str,
        change: impl FnOnce(&mut Settings),
        acts: impl IntoIterator<Item = Act>,
        skips: BTreeSet<Skip>,
    ) -> Self {
        let script = Script::default();
        script.scene().topic = topic;
        script.scene().acts.extend(acts);
        let mut states = States::default();
        states.insert(script.clone());
        let mut settings = settings();
        change(&mut settings);
        let Settings { spec, handler } = settings;
        let subscriber = Subscriber { spec: Arc::new(spec), handler: Arc::new(handler) };
        let context = Arc::new(Context {
            app: "test".into(),
            states: Arc::new(states),
            producer: Arc::new(ScriptedProducer(script.clone())),
            observers: Observers::default(),
            idle: Arc::new(IdleTracker::default()),
            plain: PlainCalls::default(),
            skips,
            tally: Arc::default(),
            stop: Arc::new(StopRequest::default()),
            started: (0, Instant::now()),
            random: Mutex::new(fastrand::Rng::with_seed(1)),
        });
        let control = Arc::new(LaneControl::new(Epoch::next(), 0));
        let shared = Arc::new(Shared::new());
        let lane =
            Box::new(ScriptedLane { script: script.clone(), topic, epoch: control.epoch, batch: Vec::new() });
        let scope = Scope::new(
            &*lane,
            &subscriber,
            Arc::clone(&context),
            Arc::new(GroupSettings::default()),
            Arc::clone(&control),
            Arc::clone(&shared),
        );
        let mut task = LaneTask::new(lane, scope, BusyGuard::new(Arc::clone(&context.idle)));
        let task = tokio::spawn(async move { std::future::poll_fn(|cx| task.poll(cx)).await });
        Self { script, control, shared, context, task: Mutex::new(Some(task)) }
    }

    pub(super) fn feed(&self, records: impl IntoIterator<Item = OwnedRecord>) {
        let mut scene = self.script.scene();
        for record in records {
            scene.keys.insert(record.offset, record.key.clone().unwrap_or_default().to_vec());
            scene.unread.push_back(record);
        }
        scene.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Until nothing is under way.
    pub(super) async fn idle(&self) {
        let unseen = || {
            let scene = self.script.scene();
            !scene.unread.is_empty() && !scene.held
        };
        timeout(Duration::from_secs(7200), self.context.idle.wait(unseen)).await.expect("it settles");
    }

    /// Lets the task do what it can without the clock moving on.
    pub(super) async fn turn(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn stored(&self) -> Option<i64> {
        self.script.scene().stored
    }

    pub(super) fn calls(&self) -> Vec<(i64, u32)> {
        self.script.scene().calls.iter().map(|(offset, attempt, _)| (*offset, *attempt)).collect()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.script.scene().seen.clone()
    }

    pub(super) fn detached(&self) -> usize {
        self.script.scene().detached
    }

    /// Whether the broker was told that nobody reads for long.
    pub(super) fn is_unread(&self) -> bool {
        self.script.scene().held
    }

    /// The handler fails from now on for so many calls.
    pub(super) fn act(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.scene().acts.extend(acts);
    }

    pub(super) fn held_because(&self) -> Vec<String> {
        self.shared.status().held.values().map(|held| held.error.clone()).collect()
    }

    /// Between one call and the next.
    pub(super) fn pauses(&self) -> Vec<Duration> {
        let scene = self.script.scene();
        scene.calls.windows(2).map(|pair| pair[1].2 - pair[0].2).collect()
    }

    pub(super) fn held(&self) -> Vec<i64> {
        self.shared.status().held.keys().map(|(_, offset)| *offset).collect()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.script.scene().most_at_once
    }

    /// And no two of a key ran at a time.
    pub(super) fn keys_kept_order(&self) -> bool {
        let scene = self.script.scene();
        if scene.overlapped {
            return false;
        }
        let mut last = BTreeMap::new();
        scene.calls.iter().all(|(offset, ..)| {
            last.insert(scene.keys[offset].clone(), *offset).is_none_or(|last| last < *offset)
        })
    }

    pub(super) fn published(&self) -> Vec<Outgoing> {
        self.script.scene().published.clone()
    }

    pub(super) fn refuse(&self, kind: PublishErrorKind, times: usize) {
        self.script.scene().refusals.extend(std::iter::repeat_n(kind, times));
    }

    pub(super) fn confirm_manually(&self) {
        self.script.scene().unanswered = Some(VecDeque::new());
    }

    pub(super) fn confirm_next(&self, result: Result<(), PublishError>) {
        let mut scene = self.script.scene();
        let answer =
            scene.unanswered.as_mut().and_then(VecDeque::pop_front).expect("something was published");
        answer.give(result.map(|()| Published { partition: 0, offset: 0 }));
    }

    /// The broker refuses the copy that was published last and has no answer.
    pub(super) fn refuse_last(&self) {
        let mut scene = self.script.scene();
        let answer = scene.unanswered.as_mut().and_then(VecDeque::pop_back).expect("something was published");
        answer.give(Err(PublishError {
            kind: PublishErrorKind::Retriable,
            topic: "results".into(),
            message: "not confirmed in time".into(),
        }));
    }

    pub(super) fn only_fail(&self, key: &'static str) {
        self.script.scene().only_fail = Some(key);
    }

    pub(super) fn take_ack(&self) -> Ack {
        self.script.scene().acks.pop().expect("an ack was kept")
    }

    pub(super) fn stop(&self) {
        self.control.stop();
    }

    pub(super) fn fence(&self) {
        self.control.fence();
    }

    pub(super) fn brake(&self) {
        self.control.brake();
    }

    pub(super) fn committed(&self, next: i64) {
        self.control.committed(next);
    }

    /// How often a commit was asked for.
    pub(super) fn commits_asked(&self) -> usize {
        self.shared.take_notices().iter().filter(|notices| matches!(notices, Notice::WantsCommit)).count()
    }

    pub(super) async fn ended(&self) {
        let task = self.task.lock().expect("not poisoned").take().expect("awaited once");
        timeout(Duration::from_secs(60), task).await.expect("it ends in time").expect("without a panic");
    }

    pub(super) async fn stop_requested(&self) -> String {
        timeout(Duration::from_secs(1), self.context.stop.requested()).await.expect("a stop was requested")
    }
}

struct ScriptedLane {
    script: Script,
    topic: &'static str,
    epoch: Epoch,
    batch: Vec<OwnedRecord>,
}

impl Lane for ScriptedLane {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn topic(&self) -> &'static str {
        self.topic
    }

    fn partition(&self) -> i32 {
        PARTITION
    }

    fn start(&self) -> i64 {
        0
    }

    fn poll_fill(&mut self, cx: &mut TaskContext<'_>, max: usize) -> Poll<usize> {
        let mut scene = self.script.scene();
        let taken = scene.unread.len().min(max);
        self.batch = scene.unread.drain(..taken).collect();
        if taken == 0 {
            scene.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(taken)
    }

    fn record(&self, index: usize) -> Record<'_> {
        self.batch[index].borrow(self.topic, PARTITION)
    }

    fn detach(&mut self, from: usize) {
        self.script.scene().detached += 1;
        // Records before are not read again.
        self.batch[..from].fill(OwnedRecord::default());
    }

    fn store(&mut self, next: i64) -> Result<(), Stale> {
        let mut scene = self.script.scene();
        assert!(scene.stored.is_none_or(|stored| stored < next), "stored backwards");
        scene.stored = Some(next);
        Ok(())
    }

    fn set_held(&mut self, held: bool) {
        self.script.scene().held = held;
    }
}

struct ScriptedProducer(Script);

impl Producer for ScriptedProducer {
    fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>> {
        let mut scene = self.0.scene();
        if let Some(kind) = scene.refusals.pop_front() {
            let error =
                PublishError { kind, topic: record.topic.to_string(), message: "refused by script".into() };
            answer.spare();
            return Some(Err(error));
        }
        scene.published.push(record.clone());
        if let Some(answers) = &mut scene.unanswered {
            answers.push_back(answer);
            return None;
        }
        answer.spare();
        Some(Ok(Published { partition: 0, offset: 0 }))
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("panics by script when it is dropped");
    }
}

#[expect(clippy::too_many_lines, reason = "an arm an act")]
fn call(delivery: &Delivery<'_>) -> Call {
    let script = delivery.state::<Script>().expect("the test's script").clone();
    let record = delivery.record();
    let act = {
        let mut scene = script.scene();
        scene.calls.push((record.offset, delivery.attempt(), Instant::now()));
        scene.seen.push(Seen {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            attempt: delivery.attempt(),
            at_work: delivery.control.at_work(),
        });
        let spared = scene.only_fail.is_some_and(|key| record.key != Some(key.as_bytes()));
        if spared { Act::Done } else { scene.acts.pop_front().unwrap_or(Act::Done) }
    };
    let verdict = |verdict| Call::known(Outcome::Verdict(verdict));
    let keep_ack = || Ack::from_delivery(delivery).expect("there is always an ack");
    let key = record.key.map(Bytes::copy_from_slice);
    let result = || {
        let copy = Outgoing { key: key.clone(), ..Outgoing::new("results", "x") };
        Call::known(Outcome::Publish(vec![copy]))
    };
    match act {
        Act::Done => verdict(Verdict::Ack),
        Act::Fail => Call::known(Outcome::Failed(HandlerError::new("test", "it failed"))),
        Act::Panic => panic!("panics by script"),
        Act::Undecodable => Call::known(Outcome::Rejected(Rejection::new("not a record"))),
        Act::Nack => verdict(Verdict::nack()),
        Act::Reject => verdict(Verdict::reject("by script")),
        Act::Skip => verdict(Verdict::Skip),
        Act::Stop => verdict(Verdict::Stop),
        Act::Revoked => {
            delivery.control.stop();
            verdict(Verdict::Ack)
        }
        Act::Publish => result(),
        Act::Sleep(millis) => {
            let key = record.key.unwrap_or_default().to_vec();
            Call::new(async move {
                script.scene().enters(&key);
                sleep(Duration::from_millis(millis)).await;
                script.scene().leaves(&key);
                Outcome::Verdict(Verdict::Ack)
            })
        }
        Act::Bomb => {
            let bomb = Bomb;
            Call::new(async move {
                std::future::pending::<()>().await;
                drop(bomb);
                Outcome::Verdict(Verdict::Ack)
            })
        }
        Act::KeepAck => {
            script.scene().acks.push(keep_ack());
            verdict(Verdict::Ack)
        }
        Act::KeepAckAndFail => {
            script.scene().acks.push(keep_ack());
            Call::known(Outcome::Failed(HandlerError::new("test", "it failed")))
        }
        Act::DropAck => {
            drop(keep_ack());
            verdict(Verdict::Ack)
        }
        Act::AckDurable => {
            let ack = keep_ack();
            Call::new(async move {
                match ack.ack_durable().await {
                    Ok(()) => Outcome::Verdict(Verdict::Ack),
                    Err(stale) => Outcome::Failed(HandlerError::new("stale", stale.to_string())),
                }
            })
        }
        Act::DropAckAndStop => {
            drop(keep_ack());
            verdict(Verdict::Stop)
        }
        Act::DropAckAndReject => {
            drop(keep_ack());
            verdict(Verdict::reject("by script"))
        }
        Act::PublishKeepAck => {
            script.scene().acks.push(keep_ack());
            result()
        }
        Act::PublishDropAck => {
            drop(keep_ack());
            result()
        }
        Act::PublishAckNow => {
            keep_ack().ack().expect("not stale");
            result()
        }
        Act::AckNotEncodable => {
            keep_ack().ack().expect("not stale");
            Call::known(Outcome::NotEncodable(HandlerError::new("json", "a key is not a string")))
        }
        Act::AckEarlierThenNack => {
            let earlier = script.scene().acks.pop().expect("an ack was kept");
            earlier.ack().expect("not stale");
            keep_ack().nack().expect("not stale");
            verdict(Verdict::Ack)
        }
        Act::AckNow => {
            keep_ack().ack().expect("not stale");
            verdict(Verdict::Ack)
        }
    }
}

static DEF: SubscriberDef = SubscriberDef { name: "handle", call, ..SubscriberDef::fixture() };

/// The settings of a lane and of its handler, for a test to change.
pub(super) struct Settings {
    pub(super) spec: LaneSpec,
    pub(super) handler: Handler,
}

fn settings() -> Settings {
    let spec = LaneSpec {
        group: "group".into(),
        broker: None,
        source: Source::Topics(vec!["orders".into()]),
        start: Start::Earliest,
        order: Order::Partition,
        concurrency: 1,
        commit: Commit::Periodic,
        retry_topics: Arc::new([]),
        drain: Duration::from_secs(5),
    };
    let handler = Handler {
        def: &DEF,
        name: "handle".into(),
        ack: AckPolicy::NackOnError,
        retry: Retry::default(),
        on_error: OnError::Hold,
        on_decode_error: OnError::Hold,
        dead_letter: None,
        timeout: None,
        publishes: Arc::new([]),
    };
    Settings { spec, handler }
}

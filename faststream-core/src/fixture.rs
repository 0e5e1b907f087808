//! A delivery out of thin air, to test extractors and what generated code makes of a function.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use regex::Regex;
use tokio::time::Instant;

use crate::app::{Context, States, StopRequest};
use crate::broker::{Answer, BoxFuture, Epoch, Producer, PublishError, Published};
use crate::delivery::{Call, Delivery};
use crate::policy::{Commit, OnError, Order, Retry, Start};
use crate::record::Outgoing;
use crate::record::OwnedRecord;
use crate::runtime::{IdleTracker, LaneControl};
use crate::subscriber::{Source, SourceDef, Subscriber, SubscriberDef};

/// A delivery out of thin air: the record of a topic on its way to a handler, for tests of extractors.
///
/// ```
/// use faststream_core::delivery::{FromDelivery, Key};
/// use faststream_core::fixture::DeliveryFixture;
///
/// let fixture = DeliveryFixture::new("orders").key("42");
/// assert_eq!(Key::<u64>::from_delivery(&fixture.delivery()).unwrap(), Key(42));
/// ```
#[derive(Debug)]
pub struct DeliveryFixture {
    topic: Arc<str>,
    partition: i32,
    record: OwnedRecord,
    attempt: u32,
    subscriber: Arc<Subscriber>,
    context: Arc<Context>,
    control: Arc<LaneControl>,
    recorder: Arc<Recorder>,
}

impl DeliveryFixture {
    /// A tombstone without key and headers, at partition 0 and offset 0 of `topic`, in its first attempt.
    #[must_use]
    pub fn new(topic: &str) -> Self {
        let recorder = Arc::<Recorder>::default();
        Self {
            topic: topic.into(),
            partition: 0,
            record: OwnedRecord::default(),
            attempt: 1,
            subscriber: Arc::new(subscriber(&NOBODY, Source::Topics(vec![topic.into()]))),
            context: Arc::new(context(Arc::clone(&recorder) as _)),
            control: Arc::new(LaneControl::new(Epoch::next(), 0)),
            recorder,
        }
    }

    /// Sets the payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Bytes>) -> Self {
        self.record.payload = Some(payload.into());
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.record.key = Some(key.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.record.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header without a value.
    #[must_use]
    pub fn null_header(mut self, name: impl Into<Bytes>) -> Self {
        self.record.headers.push((name.into(), None));
        self
    }

    /// Sets where the record is.
    #[must_use]
    pub fn at(mut self, partition: i32, offset: i64) -> Self {
        self.partition = partition;
        self.record.offset = offset;
        self
    }

    /// Sets the record's time, in milliseconds since the epoch.
    #[must_use]
    pub fn timestamp(mut self, milliseconds: i64) -> Self {
        self.record.timestamp = Some(milliseconds);
        self
    }

    /// Sets the attempt; 1 is the first.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Gives the app a state.
    ///
    /// # Panics
    /// If something that was extracted still shares the app's states.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let states = Arc::get_mut(&mut self.context).and_then(|context| Arc::get_mut(&mut context.states));
        states.expect("nothing was extracted yet").insert(value);
        self
    }

    /// Lets the handler read by this pattern.
    ///
    /// # Panics
    /// If it is no regex.
    #[must_use]
    pub fn pattern(mut self, pattern: &str) -> Self {
        let regex = Regex::new(pattern).expect("the pattern is a regex");
        Arc::make_mut(&mut self.subscriber).source = Source::Pattern(regex);
        self
    }

    /// Delivers to this handler, with default settings, and its `#[publisher]` topics as they are written.
    #[must_use]
    pub fn handler(mut self, def: &'static SubscriberDef) -> Self {
        self.subscriber = Arc::new(subscriber(def, self.subscriber.source.clone()));
        self
    }

    /// The delivery.
    #[must_use]
    pub fn delivery(&self) -> Delivery<'_> {
        Delivery {
            record: self.record.borrow(&self.topic, self.partition),
            topic: &self.topic,
            offset: self.record.offset,
            attempt: self.attempt,
            subscriber: &self.subscriber,
            context: &self.context,
            control: &self.control,
        }
    }

    /// Calls the handler.
    #[must_use]
    pub fn call(&self) -> Call {
        (self.subscriber.def.call)(&self.delivery())
    }

    /// Takes the partition away, as a revocation or the app's shutdown does.
    pub fn revoke(&self) {
        self.control.cancelled().cancel();
    }

    /// What was published by hand.
    #[must_use]
    pub fn published(&self) -> Vec<Outgoing> {
        self.recorder.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Confirms everything and keeps it.
#[derive(Debug, Default)]
struct Recorder {
    records: Mutex<Vec<Outgoing>>,
}

impl Producer for Recorder {
    fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = i64::try_from(records.len()).unwrap_or(i64::MAX);
        records.push(record.clone());
        answer.spare();
        Some(Ok(Published { partition: 0, offset }))
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The handler of a delivery that none was named for.
static NOBODY: SubscriberDef = SubscriberDef {
    name: "nobody",
    module: module_path!(),
    package: env!("CARGO_PKG_NAME"),
    file: file!(),
    line: line!(),
    doc: "",
    source: SourceDef::Topics(&[]),
    group: None,
    broker: None,
    ack: None,
    retry: None,
    on_error: None,
    dead_letter: None,
    on_decode_error: None,
    order: None,
    concurrency: None,
    commit: None,
    start: None,
    timeout: None,
    drain: None,
    enabled: None,
    publishers: &[],
    call: |_| Call::known(crate::result::Outcome::Verdict(crate::result::Verdict::Ack)),
    requires: |_| {},
};

fn subscriber(def: &'static SubscriberDef, source: Source) -> Subscriber {
    Subscriber {
        def,
        handler: def.name.into(),
        group: def.group.unwrap_or("test").into(),
        broker: None,
        source,
        start: Start::default(),
        ack: def.ack.unwrap_or_default(),
        retry: Retry::default(),
        retry_topics: Arc::new([]),
        on_error: OnError::default(),
        on_decode_error: OnError::default(),
        dead_letter: None,
        order: Order::default(),
        concurrency: 1,
        commit: Commit::default(),
        timeout: None,
        drain: Duration::from_secs(5),
        publishes: def.publishers.iter().map(|publisher| publisher.topic.into()).collect(),
    }
}

fn context(producer: Arc<dyn Producer>) -> Context {
    Context {
        app: "test".into(),
        states: Arc::new(States::default()),
        producer,
        observer: None,
        idle: Arc::new(IdleTracker::default()),
        plain: crate::runtime::PlainCalls::default(),
        skips: BTreeSet::new(),
        tally: Arc::default(),
        stop: Arc::new(StopRequest::default()),
        started: (0, Instant::now()),
        random: Mutex::new(fastrand::Rng::with_seed(0)),
    }
}

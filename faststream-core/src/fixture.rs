//! A delivery without a broker, to test extractors and the code that macros generate.
//!
//! Compiled for tests and with the feature `testing`, and hidden from users: their handlers are tested as plain
//! functions, or in a `TestApp`. The record, its position and the app's states are set by a builder; everything
//! else has a default.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use regex::Regex;
use tokio::time::Instant;

use crate::broker::{Answer, BoxFuture, Epoch, Producer, PublishError, Published};
use crate::context::{
    Context, HandlerInfo, IdleTracker, LaneControl, Observers, PlainCalls, States, StopRequest,
};
use crate::delivery::Delivery;
use crate::record::Outgoing;
use crate::record::OwnedRecord;

/// A delivery without a broker: the record of a topic on its way to a handler, for tests of extractors.
///
/// It owns everything that a delivery borrows: one lane that never ends by itself, an app with default settings,
/// and a producer that confirms all records. Nothing runs, so no tokio runtime is needed to read an
/// argument.
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
    /// The topic that the record is read from.
    topic: Arc<str>,
    /// Its partition; 0 by default.
    partition: i32,
    /// The record, with its record offset.
    record: OwnedRecord,
    /// The number of the attempt, from 1.
    attempt: u32,
    /// The handler.
    handler: Arc<HandlerInfo>,
    /// The app, with its states.
    context: Arc<Context>,
    /// The lane, which `revoke` cancels.
    control: Arc<LaneControl>,
}

/// Each method replaces a default, and returns the fixture.
impl DeliveryFixture {
    /// Returns a tombstone without key and headers, at partition 0 and offset 0 of `topic`, in its first attempt.
    #[must_use]
    pub fn new(topic: &str) -> Self {
        let handler = HandlerInfo {
            name: "nobody".into(),
            group: "test".into(),
            pattern: None,
            timeout: None,
            publishes: Arc::new([]),
        };
        Self {
            topic: topic.into(),
            partition: 0,
            record: OwnedRecord::default(),
            attempt: 1,
            handler: Arc::new(handler),
            context: Arc::new(context()),
            control: Arc::new(LaneControl::new(Epoch::next(), 0)),
        }
    }

    /// Sets the payload. Without it the record is a tombstone.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Bytes>) -> Self {
        self.record.payload = Some(payload.into());
        self
    }

    /// Sets the key. Without it the record has none.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.record.key = Some(key.into());
        self
    }

    /// Adds a header. One name may be added several times, as in Kafka.
    #[must_use]
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.record.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header without a value, which Kafka distinguishes from an empty one.
    #[must_use]
    pub fn null_header(mut self, name: impl Into<Bytes>) -> Self {
        self.record.headers.push((name.into(), None));
        self
    }

    /// Sets the partition and the record offset.
    #[must_use]
    pub fn at(mut self, partition: i32, offset: i64) -> Self {
        self.partition = partition;
        self.record.offset = offset;
        self
    }

    /// Sets the record's time, in milliseconds of Unix time.
    #[must_use]
    pub fn timestamp(mut self, milliseconds: i64) -> Self {
        self.record.timestamp = Some(milliseconds);
        self
    }

    /// Sets the number of the attempt; 1 is the first.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Adds a state to the app.
    ///
    /// # Panics
    /// If a delivery or an extracted value still shares the app's states.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let states = Arc::get_mut(&mut self.context).and_then(|context| Arc::get_mut(&mut context.states));
        states.expect("nothing was extracted yet").insert(value);
        self
    }

    /// Lets the handler read by this pattern instead of the topic's name. The captures are those of the topic.
    ///
    /// # Panics
    /// If it is no regex.
    #[must_use]
    pub fn pattern(mut self, pattern: &str) -> Self {
        let regex = Regex::new(pattern).expect("the pattern is a regex");
        Arc::make_mut(&mut self.handler).pattern = Some(Arc::new(regex));
        self
    }

    /// Returns the delivery. It borrows from the fixture.
    #[must_use]
    pub fn delivery(&self) -> Delivery<'_> {
        Delivery {
            record: self.record.borrow(&self.topic, self.partition),
            topic: &self.topic,
            offset: self.record.offset,
            attempt: self.attempt,
            handler: &self.handler,
            context: &self.context,
            control: &self.control,
        }
    }

    /// Cancels the lane, as a revocation or the app's shutdown does.
    pub fn revoke(&self) {
        self.control.cancelled().cancel();
    }
}

/// Confirms all records at once.
#[derive(Debug)]
struct ConfirmingProducer;

impl Producer for ConfirmingProducer {
    /// Confirms the record at once, so that a handler that awaits its publish never waits. The partition and the
    /// offset are always 0.
    fn enqueue(&self, _record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>> {
        answer.spare();
        Some(Ok(Published { partition: 0, offset: 0 }))
    }

    /// Resolves at once: no record waits for an answer.
    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Returns an app without states, whose clock and jitter repeat.
fn context() -> Context {
    Context {
        app: "test".into(),
        states: Arc::new(States::default()),
        producer: Arc::new(ConfirmingProducer),
        observers: Observers::default(),
        idle: Arc::new(IdleTracker::default()),
        plain: PlainCalls::default(),
        skips: BTreeSet::new(),
        tally: Arc::default(),
        stop: Arc::new(StopRequest::default()),
        started: (0, Instant::now()),
        random: Mutex::new(fastrand::Rng::with_seed(0)),
    }
}

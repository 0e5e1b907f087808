//! Records that are sent alone, each in its own batch, because the batch that contained them was refused.
//!
//! A broker answers for a batch: a refusal because the batch is too large, or holds an invalid record, says
//! nothing about its other records. The producer sends them again, not the caller: only the producer knows what
//! was a batch, the receipts stay open, and `send`, `send_all`, results and dead letters get the same answer. It
//! uses a separate client with batches of one, because librdkafka decides by itself what it puts together. That
//! client and its thread live only while they are needed.
//!
//! Order: the records of a batch are sent as they were in it, batch by batch. While records of a topic are here,
//! new records of that topic queue after them, and begin when the other client has answered everything that it had
//! before. Only records that were in its pipeline when the batch was refused overtake them, and no later ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::log::guarded;
use faststream_core::record::Outgoing;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::Producer as _;
use tokio::sync::watch;

use super::deliveries::{Deliveries, DeliveryTicket, size};
use super::enqueue::enqueue_record;
use super::queued::Queued;
use super::refusal::Refused;
use super::state::ProducerState;
use crate::native::Events;

/// How long one turn listens while there is something to send, and when there is not.
const TURNS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// How long the client and its thread wait for the next batch.
const STAYS: Duration = Duration::from_secs(30);
/// How long new records wait at most for the records that the other client had before them, because those may wait
/// for unavailable brokers.
const PATIENCE: Duration = Duration::from_secs(1);
/// The limit of waiting records; beyond it the queue is full.
const MOST: usize = 100_000;

/// The records to be sent alone, one line for all topics. Shared by the producer's thread, which fills it, callers
/// of `enqueue`, and its own thread, which empties it.
pub(super) struct Alone {
    /// The producer's settings, with batches of one record and no linger.
    config: ClientConfig,
    /// The state to which its client reports, the same as the producer's.
    state: Arc<ProducerState>,
    /// The records. Never held while a record is sent or a ticket is dropped: both take it again.
    line: Mutex<Line>,
    /// Whether any topic has records here. The only cost for a new record in the usual case is reading it.
    is_busy: AtomicBool,
    /// The tokens of the records here, which `flush` waits for after those of the producer.
    pub(super) queued: Queued,
}

/// The records in the order in which they are sent.
#[derive(Default)]
struct Line {
    /// How many records of each topic are unanswered.
    open: BTreeMap<Arc<str>, usize>,
    /// The records of refused batches, to be sent now.
    next: VecDeque<(Outgoing, Box<DeliveryTicket>)>,
    /// New records of the same topics, which are sent after `next`.
    newer: VecDeque<(Outgoing, Box<DeliveryTicket>)>,
    /// The records that were in the producer's client when the batches were refused: `newer` waits until these
    /// rounds have ended.
    earlier: Vec<watch::Receiver<()>>,
    /// When `newer` is sent even if `earlier` has not ended, because brokers may be unavailable.
    until: Option<Instant>,
    /// Whether the thread lives. If not, the next refused batch starts it.
    is_running: bool,
}

/// A record's entry in the line. Dropped with its ticket, which releases the entry whether the record was answered
/// or lost.
pub(super) struct InLine {
    /// The line.
    alone: Arc<Alone>,
    /// The topic whose count it belongs to.
    topic: Arc<str>,
}

impl Alone {
    /// Returns an empty line. Its client will be created with this configuration.
    pub(super) fn new(config: &ClientConfig, state: &Arc<ProducerState>) -> Arc<Self> {
        let mut config = config.clone();
        // No linger: a batch is complete with its first record.
        config.set("batch.num.messages", "1").set("linger.ms", "0");
        Arc::new(Self {
            config,
            state: Arc::clone(state),
            line: Mutex::default(),
            is_busy: AtomicBool::new(false),
            queued: Queued::default(),
        })
    }

    /// Sends the records of a refused batch alone, and starts the thread if it does not run. Called by the
    /// producer's thread.
    ///
    /// `earlier` returns the records that the client had queued before. It is called after new records have begun
    /// to line up here, so no record is between the two.
    pub(super) fn take(
        self: &Arc<Self>,
        batch: Vec<(Outgoing, Box<DeliveryTicket>)>,
        earlier: impl FnOnce() -> Vec<watch::Receiver<()>>,
    ) {
        let mut line = self.line();
        for (record, mut ticket) in batch {
            self.admit(&mut line, &record, &mut ticket);
            line.next.push_back((record, ticket));
        }
        self.is_busy.store(true, SeqCst);
        // From here on new records come here: everything that the client has was queued before.
        if line.newer.is_empty() {
            line.earlier.clear();
            line.until = Some(Instant::now() + PATIENCE);
        }
        line.earlier.extend(earlier());
        if !std::mem::replace(&mut line.is_running, true) {
            drop(line);
            self.start();
        }
    }

    /// Queues a new record after those of its topic, if there are any here; otherwise returns its ticket, and the
    /// caller sends the record in the usual way. Called for each record.
    ///
    /// # Errors
    /// `QueueFull` with the ticket, if 100,000 new records wait already.
    pub(super) fn line_up(
        self: &Arc<Self>,
        record: &Outgoing,
        ticket: Box<DeliveryTicket>,
    ) -> Result<Option<Box<DeliveryTicket>>, (Code, Box<DeliveryTicket>)> {
        if !self.is_busy.load(SeqCst) {
            return Ok(Some(ticket));
        }
        let mut line = self.line();
        if !line.open.contains_key(&record.topic) {
            return Ok(Some(ticket));
        }
        if line.newer.len() >= MOST {
            return Err((Code::QueueFull, ticket));
        }
        let mut ticket = ticket;
        self.admit(&mut line, record, &mut ticket);
        line.newer.push_back((record.clone(), ticket));
        Ok(None)
    }

    /// Counts a record of this topic, and moves it from the producer's flush to that of the line.
    fn admit(self: &Arc<Self>, line: &mut Line, record: &Outgoing, ticket: &mut DeliveryTicket) {
        if ticket.line.is_none() {
            *line.open.entry(Arc::clone(&record.topic)).or_default() += 1;
            ticket.line = Some(InLine { alone: Arc::clone(self), topic: Arc::clone(&record.topic) });
        }
        // Take the new token before the old one is dropped: a flush checks both, in this order.
        ticket.token = self.queued.token();
    }

    /// Starts the thread. If there is none to be had, the records are dropped, and their senders may send them
    /// again.
    fn start(self: &Arc<Self>) {
        let alone = Arc::clone(self);
        let named = thread::Builder::new().name("faststream-producer-alone".into());
        if let Err(error) = named.spawn(move || alone.run()) {
            self.state
                .errors
                .log("alone", format_args!("no thread for records that are sent alone: {error}"));
            self.give_up();
        }
    }

    /// The thread: sends records until there are none for 30 s, the client has a fatal error, or the producer
    /// ends.
    fn run(self: Arc<Self>) {
        guarded(|| self.send_waiting());
        self.give_up();
    }

    /// Drops the remaining records, which answers their receipts with an error that may be retried. Outside the
    /// lock: a dropped ticket takes it.
    fn give_up(&self) {
        let mut line = self.line();
        line.is_running = false;
        let left: Vec<_> =
            std::mem::take(&mut line.next).into_iter().chain(std::mem::take(&mut line.newer)).collect();
        drop(line);
        drop(left);
    }

    /// Creates the client, sends the records in the order of the line, and handles the client's reports. Returns
    /// when there is nothing to do for 30 s, the producer ends, or the client has a fatal error.
    fn send_waiting(&self) {
        let client = match Deliveries::client(&self.config, &self.state) {
            Ok(client) => Arc::new(client),
            Err(error) => {
                let errors = &self.state.errors;
                return errors
                    .log("alone", format_args!("no client for records that are sent alone: {error}"));
            }
        };
        let events = Events::of(&client);
        let mut last = Instant::now();
        while !self.state.is_stopped() && client.client().fatal_error().is_none() {
            let is_at_rest = self.line().open.is_empty();
            if !is_at_rest {
                last = Instant::now();
            } else if last.elapsed() > STAYS && self.ends() {
                return;
            }
            if let Some(event) = events.next(if is_at_rest { TURNS.1 } else { TURNS.0 }) {
                self.state.handle(event, true);
            }
            while let Some((record, ticket)) = self.next() {
                match enqueue_record(Some(&client), &record, ticket) {
                    Ok(()) => {}
                    Err((Code::QueueFull, ticket)) => {
                        self.line().next.push_front((record, ticket));
                        break;
                    }
                    Err((code, ticket)) => {
                        ticket.refuse(&record.topic, &Refused { code, size: size(&record), reason: "" });
                    }
                }
            }
        }
    }

    /// Returns whether there is nothing left to do. From then on the next batch starts another thread; both are
    /// decided under the lock.
    fn ends(&self) -> bool {
        let mut line = self.line();
        line.is_running = !line.open.is_empty();
        !line.is_running
    }

    /// Returns the next record to send. New records follow when the refused ones are sent and `earlier` has ended,
    /// or its time is over.
    fn next(&self) -> Option<(Outgoing, Box<DeliveryTicket>)> {
        let mut line = self.line();
        if line.next.is_empty() && !line.newer.is_empty() {
            line.earlier.retain(|end| end.has_changed().is_ok());
            if line.earlier.is_empty() || line.until.is_none_or(|until| Instant::now() >= until) {
                line.next = std::mem::take(&mut line.newer);
            }
        }
        line.next.pop_front()
    }

    /// Locks the line. A panic of another thread does not matter: the line is consistent between two statements.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        let mut line = self.alone.line();
        if let Some(open) = line.open.get_mut(&self.topic) {
            *open -= 1;
            if *open == 0 {
                line.open.remove(&self.topic);
            }
        }
        if line.open.is_empty() {
            self.alone.is_busy.store(false, SeqCst);
        }
    }
}

impl std::fmt::Debug for InLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InLine")
    }
}

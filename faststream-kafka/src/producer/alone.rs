//! Records that are sent alone, each a batch of its own, because the batch that they were in was refused.
//!
//! A broker answers for a batch: that it is too large, or holds a record that is not valid, says nothing of the others.
//! It is the producer that sends them again, not the caller: it alone knows what was a batch, their receipts stay open,
//! and `send`, `send_all`, results and dead letters get the same answer. A client of its own with batches of one, as
//! librdkafka puts together what it likes; it and its thread live only while they are needed.
//!
//! Order: the records of a batch go out as they were in it, batch by batch. While records of a topic are here, new ones
//! of that topic line up behind them, and begin when the other client has answered what it had before: what passes them
//! is what was in its pipeline when the batch was refused, and nothing later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::record::Outgoing;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::Producer as _;
use tokio::sync::watch;

use super::deliveries::{Deliveries, DeliveryTicket, size};
use super::queued::Queued;
use super::refusal::Refused;
use super::state::ProducerState;
use super::{contained, enqueue_record};
use crate::native::Events;

/// How long one turn listens while there is something to send, and when there is not.
const TURNS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// The client and its thread stay so long for the next batch.
const STAYS: Duration = Duration::from_secs(30);
/// New records wait no longer for what the other client had before them: it may be for brokers that are away.
const PATIENCE: Duration = Duration::from_secs(1);
/// More do not line up: the queue is full.
const MOST: usize = 100_000;

/// The records that are to be sent alone.
pub(super) struct Alone {
    config: ClientConfig,
    state: Arc<ProducerState>,
    line: Mutex<Line>,
    /// Whether any topic has records here.
    is_busy: AtomicBool,
    /// What `flush` waits for.
    pub(super) queued: Queued,
}

#[derive(Default)]
struct Line {
    /// How many records of each topic are not answered.
    open: BTreeMap<Arc<str>, usize>,
    /// To be sent, in this order.
    next: VecDeque<(Outgoing, Box<DeliveryTicket>)>,
    /// Newer than the batches.
    newer: VecDeque<(Outgoing, Box<DeliveryTicket>)>,
    /// What `newer` waits for, and until when.
    earlier: Vec<watch::Receiver<()>>,
    until: Option<Instant>,
    /// The thread lives.
    is_running: bool,
}

/// A record's place: given up when it is answered, or lost.
pub(super) struct InLine {
    alone: Arc<Alone>,
    topic: Arc<str>,
}

impl Alone {
    /// Nothing yet; its client will be made with this.
    pub(super) fn new(config: &ClientConfig, state: &Arc<ProducerState>) -> Arc<Self> {
        let mut config = config.clone();
        // Nothing to wait for: a batch is complete with its first record.
        config.set("batch.num.messages", "1").set("linger.ms", "0");
        Arc::new(Self {
            config,
            state: Arc::clone(state),
            line: Mutex::default(),
            is_busy: AtomicBool::new(false),
            queued: Queued::default(),
        })
    }

    /// Sends the records of a refused batch alone; `earlier` is what the client had queued before.
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
        // From here on new records come here: all that the client has was queued before.
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

    /// Lines a new record up behind those of its topic, if there are any here; gives it back otherwise. The queue may be
    /// full.
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

    fn admit(self: &Arc<Self>, line: &mut Line, record: &Outgoing, ticket: &mut DeliveryTicket) {
        if ticket.line.is_none() {
            *line.open.entry(Arc::clone(&record.topic)).or_default() += 1;
            ticket.line = Some(InLine { alone: Arc::clone(self), topic: Arc::clone(&record.topic) });
        }
        // The new pass before the old one goes: a flush looks at both, in this order.
        ticket.token = self.queued.token();
    }

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

    fn run(self: Arc<Self>) {
        contained::panics(|| self.send_waiting());
        self.give_up();
    }

    /// What is left here may be sent again by whoever sent it.
    fn give_up(&self) {
        let mut line = self.line();
        line.is_running = false;
        let left: Vec<_> =
            std::mem::take(&mut line.next).into_iter().chain(std::mem::take(&mut line.newer)).collect();
        drop(line);
        drop(left);
    }

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

    /// Whether there is nothing to do; from then on the next batch starts another thread.
    fn ends(&self) -> bool {
        let mut line = self.line();
        line.is_running = !line.open.is_empty();
        !line.is_running
    }

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

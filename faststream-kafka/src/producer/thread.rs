//! The producer's thread: handles the client's reports, replaces a client with a fatal error, drops the last one.
//!
//! It is an OS thread and no task, because reading librdkafka's queue blocks. Receipts depend on it: if it ended,
//! no receipt would be answered and no flush would return. So a panic in one of its steps, such as that of a log
//! subscriber, ends only this step.
//!
//! A fatal error means that idempotence cannot be guaranteed any more: a broker has seen a gap in the sequence of
//! batches, or the permission `IDEMPOTENT_WRITE` is missing. librdkafka then refuses all records for ever, so the
//! client is replaced, at first at once and then with growing pauses.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::log::{caught, guarded};
use faststream_core::policy::Backoff;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::Producer as _;

use super::deliveries::Deliveries;
use super::live::{Live, Shared};

/// How long one turn waits for reports. They are handled as they arrive; this only bounds the time until a fatal
/// error is noticed that came without a report.
const TURN: Duration = Duration::from_secs(1);
/// How many reports are handled before anything else is checked. The report of a batch counts as one.
const MOST: usize = 64;
/// How long the last client waits for a caller that is about to drop its clone.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause between two replacements. A client that lived for more than twice as long counts as sound: the
/// next pause is the first one again.
const LONGEST: Duration = Duration::from_secs(30);
/// The pause between two replacements.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), LONGEST);
/// The pause after a panic.
const PANICKED: Duration = Duration::from_secs(1);
/// The pause between two replacements that wait for a permission: a restored permission takes effect that soon.
const DENIED: Duration = Duration::from_secs(1);

/// The state of the thread.
struct ProducerThread {
    /// The part that the handle has, too.
    shared: Arc<Shared>,
    /// The client whose reports are read. The same as in `shared`, until the handle is dropped.
    live: Live,
    /// When the current client was created, or the last attempt to replace it failed.
    born: Instant,
    /// How old a client with a fatal error has to be before it is replaced.
    pause: Duration,
    backoff: Backoff,
}

/// Starts the thread. It ends after the handle of the producer is dropped.
pub(super) fn start(shared: Arc<Shared>, live: Live) -> io::Result<()> {
    let keeper =
        ProducerThread { shared, live, born: Instant::now(), pause: Duration::ZERO, backoff: PAUSES };
    thread::Builder::new().name("faststream-producer".into()).spawn(move || keeper.run())?;
    Ok(())
}

impl ProducerThread {
    /// Turns until the handle is dropped, then waits until it holds the last reference to the client, and drops
    /// it.
    fn run(mut self) {
        while !self.shared.state.is_stopped() {
            // A panic ends only the turn: without the thread, no receipt would ever be answered, and no flush end.
            if caught(|| self.turn()).is_err() {
                let errors = &self.shared.state.errors;
                guarded(|| errors.log("panic", "a panic on its thread, which goes on"));
                thread::sleep(PANICKED);
            }
        }
        let until = Instant::now() + PATIENCE;
        while Arc::strong_count(&self.live.events) > 1 && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        // Dropping the client answers what is still queued, and may take half a second.
    }

    /// One turn: handles the reports that are there, sends records again by key, replaces a client with a fatal
    /// error. Waits for at most `TURN` if there is nothing to do.
    fn turn(&mut self) {
        let mut timeout = TURN;
        for _ in 0..MOST {
            let Some(event) = self.live.events.next(timeout) else { break };
            let apart = self.shared.state.handle(event, false);
            if !apart.is_empty() {
                self.shared.alone.take(apart, || self.shared.queued.earlier());
            }
            timeout = Duration::ZERO;
        }
        #[cfg(test)]
        self.shared.state.bugs.hit(super::faults::FaultPoint::Turn);
        // The records left after a panic are dropped, and reported as ones that may be sent again.
        for (record, ticket) in self.shared.state.take_again() {
            #[cfg(test)]
            self.shared.state.bugs.hit(super::faults::FaultPoint::Again);
            if let Err((error, ticket)) = self.shared.send(&record, ticket) {
                ticket.give(Err(error));
            }
        }
        if self.born.elapsed() >= self.pause
            && let Some((code, reason)) = self.live.client.client().fatal_error()
        {
            self.replace(code, &reason);
        }
    }

    /// Replaces the client with a new one of the same settings. The records in the old client are reported as
    /// refused while it is dropped, at the end of this call, outside the lock.
    ///
    /// If no new client can be created, the next attempt comes after the longest pause.
    fn replace(&mut self, code: Code, reason: &str) {
        let is_denied = code == Code::ClusterAuthorizationFailed;
        let state = &self.shared.state;
        if is_denied {
            state.denied();
        }
        let live = match Deliveries::client(&self.shared.config, state) {
            Ok(client) => Live::new(client),
            Err(error) => {
                state
                    .errors
                    .log("replace", format_args!("beyond repair, and no new client can be made: {error}"));
                self.born = Instant::now();
                self.pause = LONGEST;
                return;
            }
        };
        state.errors.log(
            "fatal",
            format_args!(
                "beyond repair, a new client takes over; what is queued is refused and can be sent again: {code:?}: {reason}{}",
                if is_denied { "; give this client's user the right WRITE on its topics, or IDEMPOTENT_WRITE on the cluster" } else { "" }
            ),
        );
        let lived = self.born.elapsed();
        if lived > 2 * LONGEST {
            self.backoff.end();
        }
        self.pause = if is_denied { DENIED } else { self.backoff.lengthen() };
        self.born = Instant::now();
        self.live = live.clone();
        let mut slot = self.shared.client.write().unwrap_or_else(PoisonError::into_inner);
        // Empty if the handle was dropped meanwhile: the loop ends then.
        let old = slot.as_mut().map(|current| std::mem::replace(current, live));
        drop(slot);
        drop(old);
    }
}

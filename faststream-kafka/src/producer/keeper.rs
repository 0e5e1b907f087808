//! The producer's thread: serves the client's reports, replaces a client that became fatal, drops the last one.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::producer::Producer as _;

use super::deliveries::Deliveries;
use super::{Client, Shared, contained};

/// How long one turn listens for reports; they are served as they come.
const TURN: Duration = Duration::from_millis(50);
/// The first pause between two replacements, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

struct Keeper {
    shared: Arc<Shared>,
    client: Arc<Client>,
    born: Instant,
    /// How old a fatal client has to be before it is replaced.
    pause: Duration,
}

/// Starts the thread. It ends after the handle of the producer is gone.
pub(super) fn start(shared: Arc<Shared>, client: Arc<Client>) -> io::Result<()> {
    let keeper = Keeper { shared, client, born: Instant::now(), pause: Duration::ZERO };
    thread::Builder::new().name("faststream-producer".into()).spawn(move || keeper.run())?;
    Ok(())
}

impl Keeper {
    fn run(mut self) {
        while !self.shared.state.is_stopped() {
            if contained::panics(|| self.turn()) {
                let errors = &self.shared.state.errors;
                contained::panics(|| errors.tell("panic", "a panic on its thread, which goes on"));
                thread::sleep(PAUSES.0);
            }
        }
        // Dropping the client answers what is still queued, and may take half a second.
    }

    fn turn(&mut self) {
        self.client.poll(TURN);
        #[cfg(test)]
        self.shared.state.bugs.strike(super::bugs::Place::Turn);
        // What is left of them after a panic is dropped, and told as what may be sent again.
        for (record, ticket) in self.shared.state.take_again() {
            #[cfg(test)]
            self.shared.state.bugs.strike(super::bugs::Place::Again);
            self.shared.send(&record, ticket);
        }
        if self.born.elapsed() >= self.pause
            && let Some((code, reason)) = self.client.client().fatal_error()
        {
            self.replace(&format!("{code:?}: {reason}"));
        }
    }

    fn replace(&mut self, reason: &str) {
        let state = &self.shared.state;
        let client = match Deliveries::client(&self.shared.config, state) {
            Ok(client) => Arc::new(client),
            Err(error) => {
                state
                    .errors
                    .tell("replace", format_args!("beyond repair, and no new client can be made: {error}"));
                self.born = Instant::now();
                self.pause = PAUSES.1;
                return;
            }
        };
        state.errors.tell(
            "fatal",
            format_args!("beyond repair, a new client takes over; what is queued is refused and can be sent again: {reason}"),
        );
        let lived = self.born.elapsed();
        self.pause = if lived > 2 * PAUSES.1 { PAUSES.0 } else { (self.pause * 2).clamp(PAUSES.0, PAUSES.1) };
        self.born = Instant::now();
        self.client = Arc::clone(&client);
        let mut slot = self.shared.client.write().unwrap_or_else(PoisonError::into_inner);
        // Empty if the handle went meanwhile: the loop ends then.
        let old = slot.as_mut().map(|current| std::mem::replace(current, client));
        drop(slot);
        drop(old);
    }
}

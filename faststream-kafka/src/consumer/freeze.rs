//! After a freeze of the process, nothing is handed out before it is known that the partitions are still ours.
//!
//! What was fetched before would be handled beside the new owner: hundreds of calls begin before a heartbeat is answered.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::client::ConsumerClient;
use super::joining::Wanted;
use super::partitions::Partitions;

/// librdkafka itself notices a session that is over within this (classic protocol).
const NOTICED: Duration = Duration::from_secs(2);
/// A silence of the control thread, which turns at least twice a second, that is a freeze: the session of KIP-848 is the broker's.
const FROZEN: Duration = Duration::from_secs(3);

/// No time.
const NEVER: u64 = u64::MAX;

/// When the control thread turned last.
pub(super) struct Pulse {
    began: Instant,
    /// Milliseconds since then.
    turned: AtomicU64,
    /// In milliseconds.
    limit: AtomicU64,
    /// When it turned after a freeze, in milliseconds, until it is known which partitions are still ours; else `NEVER`.
    thawed: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        let never = || AtomicU64::new(NEVER);
        Self { began: Instant::now(), turned: AtomicU64::new(0), limit: never(), thawed: never() }
    }
}

impl Pulse {
    /// From now on a silence of so long is a freeze.
    fn begin(&self, limit: Duration) {
        self.turn();
        self.limit.store(milliseconds(limit), SeqCst);
    }

    /// The control thread turns. Whether it was frozen before.
    fn turn(&self) -> bool {
        let now = milliseconds(self.began.elapsed());
        let is_late = now.saturating_sub(self.turned.load(SeqCst)) > self.limit.load(SeqCst);
        if is_late {
            // Before the turn is known: lanes look at both.
            self.thawed.store(now, SeqCst);
        }
        self.turned.store(now, SeqCst);
        is_late
    }

    /// Whether nothing may be handed out. To be asked for each batch.
    pub(super) fn is_suspended(&self) -> bool {
        let silent = milliseconds(self.began.elapsed()).saturating_sub(self.turned.load(SeqCst));
        silent > self.limit.load(SeqCst) || self.thawed.load(SeqCst) != NEVER
    }

    /// Since when it is not known, after a freeze, which partitions are still ours.
    pub(super) fn thawed(&self) -> Option<Instant> {
        let thawed = Some(self.thawed.load(SeqCst)).filter(|thawed| *thawed != NEVER)?;
        Some(self.began + Duration::from_millis(thawed + 1))
    }

    fn resume(&self) {
        self.thawed.store(NEVER, SeqCst);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Begins to watch for freezes. `session` is the one of the classic protocol.
pub(super) fn watch(client: &ConsumerClient, wanted: &Wanted, session: Duration) {
    let limit = if *wanted == Wanted::Broker { FROZEN } else { session };
    client.context().pulse.begin(limit);
}

/// Lets lanes go on after a freeze once they are known to be ours. To be called at each turn.
pub(super) fn handle(client: &ConsumerClient, wanted: &Wanted, partitions: &Partitions) {
    let context = client.context();
    if context.pulse.turn() {
        faststream_core::log::warn!(group = %context.group,
            "this process stood still: nothing begins before it is known which partitions are still its own");
    }
    let Some(thawed) = context.pulse.thawed() else { return };
    let is_classic = *wanted != Wanted::Broker;
    let is_member = context.joining.is_confirmed_since(thawed) || (is_classic && thawed.elapsed() > NOTICED);
    // Lost: those that are assigned later are its own.
    if is_member || !partitions.has_lanes() {
        context.pulse.resume();
        partitions.lanes().for_each(|lane| lane.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_silence_beyond_the_limit_suspends_until_it_is_resumed() {
        let pulse = Pulse::default();
        pulse.begin(Duration::from_millis(50));
        assert!(!pulse.turn() && !pulse.is_suspended());
        thread::sleep(Duration::from_millis(60));
        assert!(pulse.is_suspended(), "before the control thread runs");
        assert!(pulse.turn() && pulse.is_suspended());
        assert!(!pulse.turn() && pulse.is_suspended(), "until somebody knows better");
        pulse.resume();
        assert!(!pulse.is_suspended());
    }
}

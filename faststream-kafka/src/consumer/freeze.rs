//! After a freeze of the process, hands out no record before it is known that the partitions are still ours.
//!
//! Records that were fetched before would be handled beside the new owner: hundreds of calls begin before a heartbeat
//! is answered.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::client::ConsumerClient;
use super::joining::Wanted;
use super::partitions::Partitions;

/// librdkafka itself notices an expired session within this time (classic protocol).
const NOTICED: Duration = Duration::from_secs(2);
/// A silence of the control thread, which turns at least twice a second, that counts as a freeze: the session of
/// KIP-848 is the broker's.
const FROZEN: Duration = Duration::from_secs(3);

/// The value for no time.
const NEVER: u64 = u64::MAX;

/// When the control thread turned last.
pub(super) struct Pulse {
    began: Instant,
    /// Milliseconds from that moment to the last turn.
    turned: AtomicU64,
    /// The limit, in milliseconds.
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
    /// Counts a silence of this length as a freeze from now on.
    fn begin(&self, limit: Duration) {
        self.turn();
        self.limit.store(milliseconds(limit), SeqCst);
    }

    /// Records a turn of the control thread. Returns whether it was frozen before.
    fn turn(&self) -> bool {
        let now = milliseconds(self.began.elapsed());
        let is_late = now.saturating_sub(self.turned.load(SeqCst)) > self.limit.load(SeqCst);
        if is_late {
            // Before the turn is recorded, because lanes check both.
            self.thawed.store(now, SeqCst);
        }
        self.turned.store(now, SeqCst);
        is_late
    }

    /// Returns whether no record may be handed out. Check it for each batch.
    pub(super) fn is_suspended(&self) -> bool {
        let silent = milliseconds(self.began.elapsed()).saturating_sub(self.turned.load(SeqCst));
        silent > self.limit.load(SeqCst) || self.thawed.load(SeqCst) != NEVER
    }

    /// Returns since when it is unknown, after a freeze, which partitions are still ours.
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

/// Starts the detection of freezes. `session` is the session of the classic protocol.
pub(super) fn watch(client: &ConsumerClient, wanted: &Wanted, session: Duration) {
    let limit = if *wanted == Wanted::Broker { FROZEN } else { session };
    client.context().pulse.begin(limit);
}

/// Lets lanes continue after a freeze once they are known to be ours. Call it at each turn.
pub(super) fn handle(client: &ConsumerClient, wanted: &Wanted, partitions: &Partitions) {
    let context = client.context();
    if context.pulse.turn() {
        faststream_core::log::warn!(group = %context.group,
            "this process stood still: nothing begins before it is known which partitions are still its own");
    }
    let Some(thawed) = context.pulse.thawed() else { return };
    let is_classic = *wanted != Wanted::Broker;
    let is_member = context.joining.is_confirmed_since(thawed) || (is_classic && thawed.elapsed() > NOTICED);
    // Lost: the partitions that are assigned later belong to this member.
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

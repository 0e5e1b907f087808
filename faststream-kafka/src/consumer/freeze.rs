//! After a freeze of the process, hands out no record before it is known that the partitions are still ours.
//!
//! A freeze is any time in which the process does not run: a stopped container, a suspended machine, a starved
//! one. Records that were fetched before would be handled beside the new owner: hundreds of calls begin before a
//! heartbeat is answered.
//!
//! 1. The control thread records each of its turns in `Pulse`. It turns at least once a second.
//! 2. A lane compares the time since the last turn with a limit before each batch, without waiting for the control
//!    thread. After a thaw the lane may be the first thread that runs.
//! 3. The control thread notices the same silence at its next turn, and marks the thaw. Until the mark is removed,
//!    no lane hands out a record.
//! 4. The mark is removed once the membership is confirmed, or once there are no lanes: the membership was lost,
//!    and partitions that are assigned later belong to this member. With KIP-848 an answered heartbeat confirms
//!    it. With the classic protocol, librdkafka itself notices within 2 s that the session is over.
//!
//! Calls that were running go on: nothing can stop them in time, and their stores are fenced if the partition is
//! lost.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::client::ConsumerClient;
use super::joining::Wanted;
use super::partitions::Partitions;

/// librdkafka itself notices an expired session within this time (classic protocol).
const NOTICED: Duration = Duration::from_secs(2);
/// A silence of the control thread, which turns at least once a second, that counts as a freeze with KIP-848. The
/// session is the broker's there, and not known to the client.
const FROZEN: Duration = Duration::from_secs(3);

/// The value for no time: no limit yet, or no freeze.
const NEVER: u64 = u64::MAX;

/// When the control thread turned last. The control thread writes it, and lanes read it for each batch: three
/// atomic loads and one clock.
pub(super) struct Pulse {
    /// When the client was created. Times are kept relative to it, to fit into an atomic.
    began: Instant,
    /// Milliseconds from that moment to the last turn.
    turned: AtomicU64,
    /// The longest silence that is no freeze, in milliseconds; `NEVER` until the detection starts.
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

    /// Returns since when it is unknown, after a freeze, which partitions are still ours; `None` if that is known.
    /// A millisecond late, so that an event of the same millisecond does not count as later.
    pub(super) fn thawed(&self) -> Option<Instant> {
        let thawed = Some(self.thawed.load(SeqCst)).filter(|thawed| *thawed != NEVER)?;
        Some(self.began + Duration::from_millis(thawed + 1))
    }

    /// Lets lanes hand out records again.
    fn resume(&self) {
        self.thawed.store(NEVER, SeqCst);
    }
}

/// Returns a time in whole milliseconds.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Starts the detection of freezes. `session` is the session of the classic protocol: a shorter silence cannot
/// have cost the membership.
pub(super) fn watch(client: &ConsumerClient, wanted: &Wanted, session: Duration) {
    let limit = if *wanted == Wanted::Broker { FROZEN } else { session };
    client.context().pulse.begin(limit);
}

/// Records a turn, and lets lanes continue after a freeze once they are known to be ours. Call it at each turn,
/// before anything else.
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

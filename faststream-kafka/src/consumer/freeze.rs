//! After a freeze of the process, nothing is handed out before it is known that the partitions are still ours.
//!
//! What was fetched before would be handled beside the new owner: hundreds of calls begin before a heartbeat is answered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::control::Control;
use super::joining::Wanted;

/// librdkafka itself notices a session that is over within this (classic protocol).
const NOTICED: Duration = Duration::from_secs(2);
/// A silence of the control thread, which turns at least twice a second, that is a freeze: the session of KIP-848 is the broker's.
const FROZEN: Duration = Duration::from_secs(3);

/// When the control thread turned last.
pub(super) struct Pulse {
    began: Instant,
    /// Milliseconds since then.
    turned: AtomicU64,
    /// In milliseconds.
    limit: AtomicU64,
    is_suspended: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        let limit = AtomicU64::new(u64::MAX);
        Self { began: Instant::now(), turned: AtomicU64::new(0), limit, is_suspended: AtomicBool::new(false) }
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
            self.is_suspended.store(true, SeqCst);
        }
        self.turned.store(now, SeqCst);
        is_late
    }

    /// Whether nothing may be handed out. To be asked for each batch.
    pub(super) fn is_suspended(&self) -> bool {
        let silent = milliseconds(self.began.elapsed()).saturating_sub(self.turned.load(SeqCst));
        silent > self.limit.load(SeqCst) || self.is_suspended.load(SeqCst)
    }

    fn resume(&self) {
        self.is_suspended.store(false, SeqCst);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Control {
    /// `session` is the one of the classic protocol.
    pub(super) fn watch_for_freezes(&self, session: Duration) {
        let limit = if *self.problems.wanted() == Wanted::Broker { FROZEN } else { session };
        self.client.context().pulse.begin(limit);
    }

    /// To be called at each turn.
    pub(super) fn handle_freeze(&mut self) {
        let context = self.client.context();
        if context.pulse.turn() {
            faststream_core::log::warn!(group = %self.request.group,
                "this process stood still: nothing begins before it is known which partitions are still its own");
            self.thawed = Some(Instant::now());
        }
        let Some(thawed) = self.thawed else { return };
        let is_classic = *self.problems.wanted() != Wanted::Broker;
        let is_member =
            context.joining.is_confirmed_since(thawed) || (is_classic && thawed.elapsed() > NOTICED);
        // Lost: those that are assigned later are its own.
        if is_member || self.lanes.is_empty() {
            self.thawed = None;
            context.pulse.resume();
            self.lanes.values().for_each(|lane| lane.wake());
        }
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

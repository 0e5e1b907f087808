//! The end of a membership: what is open is answered, the group is left, in time or not.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use faststream_core::broker::Event;

use super::assignment;
use super::context::Happened;
use super::control::Control;
use super::owed::{Owed, Revoke};
use crate::native::fatal_error;

/// What leaving the group may take beyond the drain time, whether brokers answer or not.
const CLOSE: Duration = Duration::from_millis(1_500);
/// Beyond the drain time, the last commit no longer waits for the result of the one before.
const LAST_COMMIT: Duration = Duration::from_millis(500);

/// What of the drain time may be used for it: the member gives up after 12 s.
const SPARE: Duration = Duration::from_secs(8);

/// How far leaving the group is.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    is_leaving: bool,
    /// It is left from then on at the latest.
    leave: Instant,
    until: Instant,
}

impl Control {
    pub(super) fn close(&mut self) {
        self.parted.clone_from(&self.lanes);
        self.fence_all();
        let (now, spare) = (Instant::now(), self.member.spare_drain().min(SPARE));
        self.closing =
            Some(Closing { is_leaving: false, leave: now + spare + LAST_COMMIT, until: now + spare + CLOSE });
    }

    /// What is stored is committed by librdkafka on the way.
    fn leave(&mut self) {
        self.answer_all();
        if fatal_error(&self.client).is_none()
            && let Err(error) = self.client.consumer().close_queue()
        {
            self.client.context().errors.tell("close", format_args!("leaving the group: {error}"));
            self.tell(Event::Closed);
        }
    }

    /// Answers all rebalances that are open. From here on nobody reads what is recorded: they are answered in the callback,
    /// or the group would never be left.
    pub(super) fn answer_all(&mut self) {
        self.client.context().closing.store(true, SeqCst);
        let consumer = self.client.consumer();
        for owed in std::mem::take(&mut self.owed) {
            let result = match owed {
                Owed::Assign { .. } => assignment::assign(consumer, &[]),
                Owed::Revoke { kind: Revoke::Rewound(_) | Revoke::Remade, .. } => continue,
                Owed::Revoke { partitions, .. } => assignment::unassign(consumer, &partitions),
            };
            self.answered("close", result);
        }
        while let Some(happened) = self.client.context().take() {
            let result = match happened {
                Happened::Assign(_) => assignment::assign(consumer, &[]),
                Happened::Revoke { partitions, .. } => assignment::unassign(consumer, &partitions),
                Happened::Committed(_) | Happened::OutOfRange(..) => continue,
            };
            self.answered("close", result);
        }
    }

    pub(super) fn heed_closed(&mut self) {
        let now = Instant::now();
        let is_busy = self.committer.is_busy();
        let Some(closing) = &mut self.closing else { return };
        if !closing.is_leaving && (!is_busy || now >= closing.leave) {
            closing.is_leaving = true;
            self.leave();
        }
        let Some(Closing { until, .. }) = self.closing else { return };
        // After a fatal error it would never be closed.
        if self.client.consumer().closed() {
            // The answer to the last commit came before, and may not have been read.
            while self.client.consumer().poll(Duration::ZERO).is_some() {}
            self.heed_callbacks();
            self.tell(Event::Closed);
        } else if fatal_error(&self.client).is_some() {
            self.tell(Event::Closed);
        } else if now > until {
            faststream_core::log::warn!(group = %self.request.group, "the group was not left in time: the broker will notice");
            self.tell(Event::Closed);
        }
    }
}

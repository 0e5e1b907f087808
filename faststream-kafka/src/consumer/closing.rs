//! The end of a membership: what is open is answered, the group is left, in time or not.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use faststream_core::broker::Event;

use super::assignment;
use super::context::Happened;
use super::control::Control;
use super::owed::{Owed, Revoke};
use crate::native::fatal_error;

/// What leaving the group may take while no broker is connected.
const CLOSE: Duration = Duration::from_secs(10);
/// What it may take beyond the drain time with brokers that are there, and do not answer.
const CLOSE_CONNECTED: Duration = Duration::from_millis(1_500);

/// Until when leaving the group may take: at all, and while a broker is connected.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    until: Instant,
    connected: Instant,
}

impl Control {
    pub(super) fn close(&mut self) {
        self.fence_all();
        self.answer_all();
        let (now, spare) = (Instant::now(), self.member.spare_drain());
        self.closing = Some(Closing { until: now + CLOSE, connected: now + spare + CLOSE_CONNECTED });
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
                Owed::Revoke { kind: Revoke::Rewound(_), .. } => continue,
                Owed::Revoke { places, .. } => assignment::unassign(consumer, &places),
            };
            self.answered("close", result);
        }
        while let Some(happened) = self.client.context().take() {
            let result = match happened {
                Happened::Assign(_) => assignment::assign(consumer, &[]),
                Happened::Revoke { places, .. } => assignment::unassign(consumer, &places),
                Happened::Committed(_) => continue,
            };
            self.answered("close", result);
        }
    }

    pub(super) fn heed_closed(&mut self) {
        let Some(Closing { until, connected }) = self.closing else { return };
        let now = Instant::now();
        // After a fatal error it would never be closed.
        if self.client.consumer().closed() || fatal_error(&self.client).is_some() {
            self.tell(Event::Closed);
        } else if now > until || (now > connected && self.client.context().is_connected()) {
            tracing::warn!(group = %self.request.group, "the group was not left in time: the broker will notice");
            self.tell(Event::Closed);
        }
    }
}

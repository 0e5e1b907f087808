//! The end of a membership: answers open rebalances, and leaves the group, in time or not.
//!
//! The steps of an orderly end:
//!
//! 1. The member sends `Command::Close`. All lanes are fenced, so the stored offsets are final.
//! 2. The result of a commit in flight is awaited. A second commit beside it could arrive first, and the late one
//!    would set the group back.
//! 3. Open rebalances are answered, and librdkafka leaves the group (`close_queue`). It commits the stored offsets
//!    on the way.
//! 4. Once librdkafka has closed its queue, the member gets `Event::Closed`, and the control thread ends.
//!
//! Every step has a limit. After the last one the member gets `Event::Closed` anyway: the process must end, and
//! the broker removes the member when its session expires.
//!
//! After a fatal error none of this is done. `close_queue` then fails, and the client never counts as closed, so a
//! loop that waits for it would hang.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use faststream_core::broker::Event;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::assignment;
use super::classify::cure;
use super::committer::commit_set_back;
use super::control::Control;
use super::rebalances::LastAnswer;
use crate::native::fatal_error;

/// How long leaving the group may take beyond the drain time, whether or not brokers answer. A clean end takes 11
/// to 40 ms.
const CLOSE: Duration = Duration::from_millis(1_500);
/// How long beyond the drain time the last commit waits for the result of the one before.
const LAST_COMMIT: Duration = Duration::from_millis(500);

/// How much of the drain time may be used for it, because the member gives up 12 s after its request.
const SPARE: Duration = Duration::from_secs(8);

/// The progress of leaving the group.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    /// Whether librdkafka was made to leave the group.
    is_leaving: bool,
    /// When the group is left at the latest, whether or not a commit is in flight.
    leave: Instant,
    /// When the end is reported at the latest, whether or not the group was left.
    until: Instant,
}

impl Control {
    /// Returns whether the client cannot be used any more, and reports that to the member. Fetching does not stop
    /// by itself after a fatal error (a fenced static member continues until its session ends), so everything ends
    /// here, at once. While the group is being left, `handle_closed` looks for the error instead.
    pub(super) fn handle_fatal(&mut self) -> bool {
        if self.closing.is_some() {
            return false;
        }
        let Some((code, reason)) = fatal_error(self.client.handle()) else { return false };
        self.committer.lost();
        self.partitions.leave();
        let code: Code = code.into();
        let message = format!("{code:?}: {reason}{}", cure(code));
        self.notify(Event::Fatal { message, remedy: self.problems.remedy(code) });
        self.notify(Event::Closed);
        true
    }

    /// Begins to leave the group: fences all lanes, and sets the limits. Runs when the member sends
    /// `Command::Close`.
    pub(super) fn close(&mut self) {
        self.partitions.leave();
        let (now, spare) = (Instant::now(), self.member.spare_drain().min(SPARE));
        self.closing =
            Some(Closing { is_leaving: false, leave: now + spare + LAST_COMMIT, until: now + spare + CLOSE });
    }

    /// Makes librdkafka leave the group. It commits the stored offsets on the way, but none that is lower than what
    /// the group had. Without waiting: later polls drive it.
    fn leave(&mut self) {
        commit_set_back(&self.client, self.partitions.left());
        self.answer_all();
        if fatal_error(self.client.handle()).is_none()
            && let Err(error) = self.client.consumer().close_queue()
        {
            self.client.context().errors.log("close", format_args!("leaving the group: {error}"));
            self.notify(Event::Closed);
        }
    }

    /// Answers all open rebalances: an assignment with nothing, a revocation with its partitions. From here on
    /// nothing reads the recorded ones: they are answered in the callback, or the group would never be left.
    pub(super) fn answer_all(&mut self) {
        self.client.context().closing.store(true, SeqCst);
        while let Some(event) = self.client.context().take() {
            self.record_rebalance(event);
        }
        let consumer = self.client.consumer();
        for answer in self.rebalances.abandon() {
            let result = match answer {
                LastAnswer::AssignNothing => assignment::assign(consumer, &[]),
                LastAnswer::Unassign(partitions) => assignment::unassign(consumer, &partitions),
            };
            self.log_answer("close", result);
        }
    }

    /// Takes the next step of an end that has begun, at each turn. Reports `Event::Closed` once the group was
    /// left, cannot be left, or was not left in time.
    pub(super) fn handle_closed(&mut self) {
        let now = Instant::now();
        let is_busy = self.committer.is_busy();
        let Some(closing) = &mut self.closing else { return };
        let (until, leaves) = (closing.until, !closing.is_leaving && (!is_busy || now >= closing.leave));
        closing.is_leaving |= leaves;
        if leaves {
            self.leave();
        }
        // After a fatal error it would never be closed.
        if self.client.consumer().closed() {
            // The answer to the last commit arrived earlier, and may not have been read.
            while self.client.consumer().poll(Duration::ZERO).is_some() {}
            self.handle_events();
            self.notify(Event::Closed);
        } else if fatal_error(self.client.handle()).is_some() {
            self.notify(Event::Closed);
        } else if now > until {
            faststream_core::log::warn!(group = %self.client.context().group, "the group was not left in time: the broker will notice");
            self.notify(Event::Closed);
        }
    }
}

//! Copies of records in flight to the broker: results, copies for retry topics, dead letters.
//!
//! 1. A record's copies are handed to the producer when its turn comes, one after the other. Once all of them are, the
//!    record gives up its turn and the next one may begin (pipelining).
//! 2. The broker answers in its own order. A record is decided once all its copies are answered. If they are confirmed,
//!    it is finished. If one is refused permanently, its attempt failed (a result) or it is held (a dead letter, a copy
//!    for a retry topic).
//! 3. If copies are refused temporarily, the record takes its turn again at the first refusal, and no later record
//!    begins. Refused copies of later records wait in the same line. After a pause the first of the line is published
//!    alone. As soon as it is confirmed, the others follow, in order. No copy is published again while an earlier one
//!    has no answer since before: a producer that waits for a broker gives up on unsent records before it gives up on
//!    sent ones.
//!
//! Each answer is handled once, when it arrives: the cost is linear in the number of copies, however many are in
//! flight.

use std::sync::Arc;
use std::task::Context as TaskContext;
use std::time::Duration;

use slab::Slab;

use super::LaneTask;
use super::ack_policy::{Ended, WhileHeld};
use super::copies::{Copies, Purpose};
use super::entry::{CallFailure, CallState, Entry};
use super::timers::TimerKind;
use super::turns::OrderLine;
use super::unconfirmed::Unconfirmed;
use crate::broker::{Answer, Mailbox, Numbered, PublishError, PublishErrorKind, Published};
use crate::policy::{AckPolicy, Backoff};
use crate::record::Outgoing;
use crate::result::Disposition;
use crate::result::Verdict;

/// The first and the longest pause. The copy is kept and published again without limit.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// The pause while somebody has to fix something in the cluster, so that a fix takes effect soon.
const DENIED: Duration = Duration::from_secs(3);

/// The copies of a lane that are in flight.
#[derive(Default)]
pub(super) struct Output {
    mailbox: Arc<Mailbox>,
    /// The copies in flight, by the number under which they are answered.
    waiting: Slab<Waiting>,
    /// How many copies were handed over so far, which gives their order.
    sends: u64,
    /// Answers that arrived, until they are handled. Both buffers are kept for reuse.
    numbered: Vec<Numbered>,
    answers: Vec<Answered>,
    /// The state of the copies that stay unconfirmed.
    pub(super) unconfirmed: Unconfirmed,
}

/// One copy in flight.
struct Waiting {
    offset: i64,
    /// The copy's index among the record's copies.
    index: usize,
    line: OrderLine,
}

struct Answered {
    copy: Waiting,
    result: Result<Published, Box<PublishError>>,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the number of a copy that is to be handed over, and the handle for its answer.
    fn expect(&mut self, copy: Waiting, cx: &mut TaskContext<'_>) -> (usize, Answer) {
        if self.is_empty() {
            self.mailbox.register(cx.waker());
        }
        self.sends += 1;
        let number = self.waiting.insert(copy);
        (number, Answer::to(&self.mailbox, number))
    }

    /// Takes everything that was answered since the last call.
    fn look(&mut self, cx: &mut TaskContext<'_>) {
        self.mailbox.take(&mut self.numbered, cx.waker());
        for (number, result) in self.numbered.drain(..) {
            if let Some(copy) = self.waiting.try_remove(number) {
                self.answers.push(Answered { copy, result });
            }
        }
        // A refusal stops later records before their answers are handled.
        if self.answers.iter().any(|answered| answered.result.is_err()) {
            self.answers.sort_by_key(|answered| (answered.copy.offset, answered.copy.index));
        }
    }
}

impl LaneTask {
    /// Publishes the copies first; their confirmation finishes the record.
    pub(super) fn publish(
        &mut self,
        offset: i64,
        copies: Vec<Outgoing>,
        purpose: Purpose,
        cx: &mut TaskContext<'_>,
    ) {
        let since = self.timers.turn_began();
        let Some(entry) = self.in_flight.get_mut(offset) else { return };
        entry.copies = Some(Copies::new(copies, purpose, since));
        self.send(offset, false, cx);
    }

    /// Hands the record's copies to the producer, if it is its turn. With `alone`, later records wait until they are
    /// confirmed.
    pub(super) fn send(&mut self, offset: i64, alone: bool, cx: &mut TaskContext<'_>) {
        let most = self.scope.settings.max_unconfirmed;
        self.wait_no_more(offset);
        let Some(line) = self.in_flight.get(offset).map(|entry| entry.line) else { return };
        if !self.in_flight.may_publish(offset, line) || self.in_flight.unconfirmed(line) >= most {
            return self.in_flight.set(offset, CallState::Unpublished);
        }
        if self.in_flight.is_open_before(offset, line) {
            self.in_flight.set(offset, CallState::Unpublished);
            return self.wait(offset, AGAIN.0, TimerKind::Publish);
        }
        while self.in_flight.unconfirmed(line) < most {
            let Some(copies) = self.in_flight.get_mut(offset).and_then(|entry| entry.copies.as_mut()) else {
                return;
            };
            if !copies.has_next() {
                break;
            }
            let copy = Waiting { offset, index: copies.sent, line };
            let (number, answer) = self.output.expect(copy, cx);
            let record = copies.next(self.output.sends);
            match self.scope.context.producer.enqueue(record, answer) {
                None => self.in_flight.sent(line),
                Some(result) => {
                    let Waiting { index, .. } = self.output.waiting.remove(number);
                    copies.answered(index, result.map_err(Box::new));
                }
            }
        }
        let Some(copies) = self.in_flight.get(offset).and_then(|entry| entry.copies.as_ref()) else { return };
        if copies.is_answered() {
            return self.answered(offset, cx);
        }
        let state = if copies.was_refused() {
            CallState::Unpublished
        } else if alone || copies.sent < copies.left() {
            CallState::Republishing
        } else {
            CallState::Confirming
        };
        self.in_flight.set(offset, state);
        self.watch_copies();
    }

    /// Handles the broker's answers.
    pub(super) fn take_answers(&mut self, cx: &mut TaskContext<'_>) -> bool {
        if self.output.is_empty() {
            return false;
        }
        self.output.look(cx);
        let mut answers = std::mem::take(&mut self.output.answers);
        let any = !answers.is_empty();
        for Answered { copy: Waiting { offset, index, line }, result } in answers.drain(..) {
            self.in_flight.answered(line, self.scope.settings.max_unconfirmed);
            // Gone: its `Ack` was settled meanwhile.
            let Some(entry) = self.in_flight.get_mut(offset) else { continue };
            let Some(copies) = &mut entry.copies else { continue };
            copies.answered(index, result);
            let is_alone = entry.state() == CallState::Republishing;
            let Some(copies) = &entry.copies else { continue };
            if copies.is_answered() {
                self.answered(offset, cx);
            } else if copies.was_refused() {
                self.in_flight.set(offset, CallState::Unpublished);
            } else if copies.sent < copies.left() {
                self.send(offset, is_alone, cx);
            }
        }
        self.output.answers = answers;
        any
    }

    /// Handles a record once the broker has answered every copy that was handed over.
    fn answered(&mut self, offset: i64, cx: &mut TaskContext<'_>) {
        let Some(entry) = self.in_flight.get_mut(offset) else { return };
        let Some(copies) = &mut entry.copies else { return };
        let purpose = copies.purpose();
        if !copies.was_refused() {
            entry.copies = None;
            let disposition = match purpose {
                // Published by the call. The `Ack` decides whether the record is finished.
                Purpose::Results if self.scope.handler.ack == AckPolicy::Manual => {
                    return self.conclude(offset, Ended::Decided(Verdict::Ack), cx);
                }
                Purpose::Results => Disposition::Acked,
                Purpose::Retry => Disposition::Retried,
                Purpose::DeadLetter => Disposition::DeadLettered,
            };
            return self.finish(offset, disposition);
        }
        let error = copies.error().expect("some were refused");
        let (kind, failure) = (error.kind, CallFailure::publish(error));
        if kind == PublishErrorKind::Permanent {
            entry.copies = None;
            return match purpose {
                Purpose::Results => self.conclude(offset, Ended::Failed(failure), cx),
                // Never lost: held, until somebody changes what makes publishing impossible.
                Purpose::Retry | Purpose::DeadLetter => {
                    self.hold(offset, &failure, WhileHeld::Retry, None);
                }
            };
        }
        copies.again(self.output.sends);
        self.try_later(offset, kind, &failure);
    }

    /// Keeps the encoded copies and publishes them again later; the handler does not run for that. Refused copies of
    /// later records of its line follow them, without a pause of their own.
    fn try_later(&mut self, offset: i64, kind: PublishErrorKind, failure: &CallFailure) {
        self.in_flight.set(offset, CallState::Unpublished);
        self.watch_copies();
        let Some(entry) = self.in_flight.get(offset) else { return };
        let failures = entry.copies.as_ref().map_or(1, Copies::failures);
        let longest = if kind == PublishErrorKind::Denied { DENIED } else { AGAIN.1 };
        let is_first = self.in_flight.may_publish(offset, entry.line);
        let pause = Backoff::new(AGAIN.0, longest).jittered(failures, self.scope.context.random());
        if is_first {
            self.wait(offset, pause, TimerKind::Publish);
        }
        self.report_refused(offset, kind, failure, pause);
    }

    /// Continues with records whose turn came, and that waited for it.
    pub(super) fn wake_next(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut any = false;
        while let Some(offset) = self.in_flight.next_woken() {
            any = true;
            match self.in_flight.get(offset).map(Entry::state) {
                Some(CallState::Waiting) => self.ready.push(offset),
                Some(CallState::Unpublished) => {
                    let is_open = |entry: &Entry| entry.copies.as_ref().is_some_and(Copies::is_open);
                    // Until its last answer has arrived, it is unknown which copies are left to publish.
                    if !self.in_flight.get(offset).is_some_and(is_open) {
                        self.send(offset, false, cx);
                    }
                }
                _ => {}
            }
        }
        any
    }
}

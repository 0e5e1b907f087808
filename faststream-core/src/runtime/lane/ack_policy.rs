//! The ack policy: what the end of a call means for its record.
//!
//! Pure: it knows no broker, no clock and no lane. It decides in two steps: [`by_ack`] decides what the record's `Ack`
//! means (`ack = Manual` only), and [`decide`] what the policy does. `apply` applies the decision. The guide's page on
//! guarantees shows the same table, and a test compares the two.

use std::time::Duration;

use super::entry::CallFailure;
use super::manual_ack::ManualSettlement;
use crate::log::bounded;
use crate::policy::{AckPolicy, OnError};
use crate::record::Outgoing;
use crate::result::Disposition;
use crate::result::Outcome;
use crate::result::Verdict;
use crate::subscriber::Handler;

/// The kind of a failure to read an argument.
pub(super) const REJECTION: &str = "rejection";

/// How a call ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The handler decided. Returning nothing, or `Ok`, is `Ack`.
    Decided(Verdict),
    /// The handler succeeded, and returned records to publish.
    Results(Vec<Outgoing>),
    /// The handler returned an error, panicked or took too long, or its results can never be published.
    Failed(CallFailure),
    /// The returned value cannot be encoded.
    NotEncodable(CallFailure),
    /// The handler was not called: an argument cannot be read.
    Undecodable(CallFailure),
    /// Its `Ack` was dropped unsettled.
    AckDropped,
}

/// The attempt that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// The number of the attempt in this topic: 1 for the first. In retry topics each topic counts anew.
    pub(super) number: u32,
    /// Whether there is another retry topic for the record.
    pub(super) has_retry_topic: bool,
}

/// What happens to the record.
#[derive(Debug)]
pub(super) enum Next {
    /// Finish the record.
    Finish(Disposition),
    /// Finish the record, although the call failed.
    FinishFailed(Disposition, CallFailure),
    /// Finish the record: the call failed, but its `Ack` had been settled with success, which counts.
    FinishByAck(Disposition, CallFailure),
    /// Publish its results first.
    Publish(Vec<Outgoing>),
    /// Wait for its `Ack`.
    AwaitAck,
    /// Retry in place, after this pause.
    Retry(Duration, CallFailure),
    /// Move the record to the next retry topic.
    RetryTopic(CallFailure),
    /// Publish a dead letter first, unless the dead-letter guard refuses: then hold the record.
    DeadLetter(CallFailure, WhileHeld),
    /// Hold the record.
    Hold(CallFailure, WhileHeld),
    /// Stop the app, without finishing the record. Without a failure, the handler requested it.
    Stop(Option<CallFailure>),
}

/// What happens to a record while it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhileHeld {
    /// It is retried from time to time, which may succeed.
    Retry,
    /// Only the next assignment retries it.
    Keep,
}

/// Returns what the record's `Ack` makes of a call's end (`ack = Manual`): an end for the policy to decide about, or
/// the final decision.
pub(super) fn by_ack(settled: Option<&ManualSettlement>, ended: Ended) -> Result<Ended, Next> {
    let success = match settled {
        Some(ManualSettlement::Settled(Verdict::Ack)) => Some(Disposition::Acked),
        Some(ManualSettlement::Settled(Verdict::Skip)) => Some(Disposition::Skipped),
        _ => None,
    };
    match (ended, settled) {
        // An attempt that failed by its `Ack` publishes nothing.
        (Ended::Results(results), settled) if settled.is_none() || success.is_some() => {
            Ok(Ended::Results(results))
        }
        // The `Ack` decides; if it was not settled, any verdict but `Ack` that the call returned.
        (Ended::Decided(_) | Ended::Results(_), Some(ManualSettlement::Settled(verdict))) => {
            Ok(Ended::Decided(verdict.clone()))
        }
        (Ended::Decided(Verdict::Ack) | Ended::Results(_), Some(ManualSettlement::Dropped)) => {
            Ok(Ended::AckDropped)
        }
        (Ended::Decided(Verdict::Ack), None) => Err(Next::AwaitAck),
        (ended, _) => match (success, ended.failure()) {
            // Success counts whatever happens to the call, because it may be committed already.
            (Some(disposition), Some(failure)) => Err(Next::FinishByAck(disposition, failure)),
            _ => Ok(ended),
        },
    }
}

/// Returns what the policy does with a record whose call ended. `random` returns a number in 0..1, for jitter.
pub(super) fn decide(
    handler: &Handler,
    attempt: Attempt,
    ended: Ended,
    random: impl FnOnce() -> f64,
) -> Next {
    let after = if let Ended::Decided(Verdict::Nack { after }) = &ended { *after } else { None };
    let Some(failure) = ended.failure() else {
        return match ended {
            Ended::Results(results) => Next::Publish(results),
            Ended::Decided(Verdict::Skip) => Next::Finish(Disposition::Skipped),
            Ended::Decided(Verdict::Stop) => Next::Stop(None),
            _ => Next::Finish(Disposition::Acked),
        };
    };
    match (handler.ack, ended) {
        (AckPolicy::AckFirst | AckPolicy::Ack, _) => Next::FinishFailed(Disposition::Failed, failure),
        // No further attempt can succeed.
        (_, Ended::Undecodable(_)) => give_up(handler.on_decode_error, failure, WhileHeld::Keep),
        // Given up on now: a dead letter if a topic is named. The handler's reason may change.
        (AckPolicy::RejectOnError, _)
        | (_, Ended::Decided(Verdict::Reject { .. }) | Ended::NotEncodable(_)) => {
            let named = handler.dead_letter.as_ref().map(|_| OnError::DeadLetter);
            give_up(named.unwrap_or(handler.on_error), failure, WhileHeld::Retry)
        }
        (AckPolicy::NackOnError | AckPolicy::Manual, _) => {
            match handler.retry.pause_after(attempt.number, random()) {
                Some(pause) => Next::Retry(after.unwrap_or(pause), failure),
                None if attempt.has_retry_topic => Next::RetryTopic(failure),
                None => give_up(handler.on_error, failure, WhileHeld::Retry),
            }
        }
    }
}

fn give_up(on_error: OnError, failure: CallFailure, held: WhileHeld) -> Next {
    match on_error {
        OnError::Skip => Next::FinishFailed(Disposition::Skipped, failure),
        OnError::Stop => Next::Stop(Some(failure)),
        OnError::DeadLetter => Next::DeadLetter(failure, held),
        OnError::Hold => Next::Hold(failure, held),
    }
}

impl Ended {
    /// Returns the end of a call with this outcome.
    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Verdict(verdict) => Self::Decided(verdict),
            Outcome::Publish(results) => Self::Results(results),
            Outcome::Failed(error) => Self::Failed(CallFailure::of(&error)),
            Outcome::NotEncodable(error) => Self::NotEncodable(CallFailure::of(&error)),
            Outcome::Rejected(rejection) => {
                let message = rejection.message().to_owned();
                Self::Undecodable(CallFailure { kind: REJECTION, message })
            }
        }
    }

    /// Returns why the attempt failed, if it did.
    pub(super) fn failure(&self) -> Option<CallFailure> {
        let failure = |kind, message: &str| CallFailure { kind, message: bounded(message.to_owned()) };
        match self {
            Self::Decided(Verdict::Nack { .. }) => {
                Some(failure("nack", "the handler asked for another attempt"))
            }
            Self::Decided(Verdict::Reject { reason }) => Some(failure("reject", reason)),
            Self::AckDropped => Some(failure("nack", "its `Ack` was dropped unsettled")),
            Self::Failed(failure) | Self::NotEncodable(failure) | Self::Undecodable(failure) => {
                Some(failure.clone())
            }
            Self::Decided(Verdict::Ack | Verdict::Skip | Verdict::Stop) | Self::Results(_) => None,
        }
    }

    /// Returns whether the call itself failed, not its record.
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::AckDropped | Self::Decided(Verdict::Nack { .. }))
    }
}

#[cfg(test)]
mod tests;

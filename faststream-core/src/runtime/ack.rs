//! Settling a record by hand.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::LaneControl;
use super::settled::Settled;
use crate::broker::Stale;
use crate::delivery::{Delivery, FromDelivery, Rejection};
use crate::subscriber::Requirements;
use crate::verdict::Verdict;

/// Settles one record by hand; the argument of handlers with `ack = Manual`.
///
/// It may outlive the call: move it to whatever finishes the work. Settling takes `self`, so settling twice is
/// impossible; dropping it unsettled is a nack, unless the call returns a verdict other than `Ack` (as `or_reject()?`
/// does). A result that the call publishes does not settle it. It belongs to one assignment of its partition: settled
/// after a revocation it changes nothing and says [`Stale`].
#[derive(Debug)]
#[must_use = "an `Ack` that is dropped is a nack"]
pub struct Ack {
    control: Option<Arc<LaneControl>>,
    offset: i64,
    attempt: u32,
}

impl Ack {
    /// The record is finished. Recorded at once, durable with the next commit.
    ///
    /// # Errors
    /// [`Stale`] if the partition was taken away meanwhile: the record is handled again elsewhere.
    pub fn ack(self) -> Result<(), Stale> {
        self.settle(Verdict::Ack)
    }

    /// The record is finished, and so is the wait: the broker has committed it, and every earlier record of its
    /// partition.
    ///
    /// A commit is asked for at once; those of many records coalesce. While commits fail, it waits for as long as they do;
    /// dropping the future gives up the wait, not the ack. Earlier records of the partition that are not finished (kept
    /// back, settled by somebody else) are waited for too: nothing behind them can be committed.
    ///
    /// Awaited inside the call of a handler with `concurrency`, it keeps its place meanwhile; the oldest unfinished record
    /// of the partition is tried again beside it all the same. A held one keeps it waiting: set a `timeout`. With `order = Key`, do not nack a record after its call
    /// ended while later calls of its key wait like this: it would wait for them.
    ///
    /// # Errors
    /// [`Stale`] if the partition was taken away before the broker confirmed: the record may be handled again elsewhere.
    pub async fn ack_durable(mut self) -> Result<(), Stale> {
        let (control, settled) = self.take(Verdict::Ack);
        let offset = settled.offset;
        control.settle(Settled { durable: true, ..settled })?;
        control.durable(offset).await
    }

    /// The record failed: retried by the policy, then `on_error`.
    ///
    /// # Errors
    /// [`Stale`] as with [`ack`](Self::ack).
    pub fn nack(self) -> Result<(), Stale> {
        self.settle(Verdict::nack())
    }

    /// The record failed, and is tried again after `pause`, instead of the policy's.
    ///
    /// # Errors
    /// [`Stale`] as with [`ack`](Self::ack).
    pub fn nack_after(self, pause: Duration) -> Result<(), Stale> {
        self.settle(Verdict::Nack { after: Some(pause) })
    }

    /// The record is given up now: the dead letter if one is named, else by `on_error`.
    ///
    /// # Errors
    /// [`Stale`] as with [`ack`](Self::ack).
    pub fn reject(self, reason: impl Into<Cow<'static, str>>) -> Result<(), Stale> {
        self.settle(Verdict::reject(reason))
    }

    /// The record is finished without having been handled.
    ///
    /// # Errors
    /// [`Stale`] as with [`ack`](Self::ack).
    pub fn skip(self) -> Result<(), Stale> {
        self.settle(Verdict::Skip)
    }

    fn settle(mut self, verdict: Verdict) -> Result<(), Stale> {
        let (control, settled) = self.take(verdict);
        control.settle(settled)
    }

    fn take(&mut self, verdict: Verdict) -> (Arc<LaneControl>, Settled) {
        let control = self.control.take().expect("an `Ack` is settled once: settling takes it");
        (
            control,
            Settled { offset: self.offset, attempt: self.attempt, verdict, dropped: false, durable: false },
        )
    }
}

impl FromDelivery for Ack {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Self {
            control: Some(Arc::clone(delivery.control)),
            offset: delivery.offset,
            attempt: delivery.attempt,
        })
    }

    fn requires(requirements: &mut Requirements) {
        requirements.ack();
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if self.control.is_some() {
            let (control, settled) = self.take(Verdict::nack());
            // Stale: handled again elsewhere, which is what a nack asks for.
            let _ = control.settle(Settled { dropped: true, ..settled });
        }
    }
}

//! Settling a record explicitly (`ack = Manual`).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{FromDelivery, Requirements};
use crate::broker::Stale;
use crate::context::{LaneControl, Settled};
use crate::delivery::Delivery;
use crate::result::{Rejection, Verdict};

/// Settles one record explicitly. The argument of handlers with `ack = Manual`.
///
/// It may outlive the call: move it to the code that finishes the work. Settling takes `self`, so an `Ack` cannot be
/// settled twice. Dropping it unsettled is a nack, unless the call returns a verdict other than `Ack` (as
/// `or_reject()?` does). A result that the call publishes does not settle it. It belongs to one assignment of its
/// partition: after a revocation, settling it has no effect and returns [`Stale`].
///
/// ```
/// use faststream::{Ack, FastStream, State, TestApp, memory::MemoryBroker, subscriber};
/// use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
///
/// /// Hands rows to a task that writes them, and that settles each once it is written.
/// #[subscriber(topic = "rows", ack = Manual)]
/// async fn store(row: u64, ack: Ack, State(writer): State<UnboundedSender<(u64, Ack)>>) {
///     // If the task is gone, the `Ack` is dropped unsettled: the row comes again.
///     let _ = writer.send((row, ack));
/// }
///
/// # faststream::testing::run(false, || async {
/// let (writer, mut rows) = unbounded_channel::<(u64, Ack)>();
/// tokio::spawn(async move {
///     while let Some((row, ack)) = rows.recv().await {
///         println!("row {row} is written");
///         let _ = ack.ack();
///     }
/// });
/// let app = FastStream::new(MemoryBroker::new()).name("writer").state(writer);
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("rows", &1).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
#[derive(Debug)]
#[must_use = "an `Ack` that is dropped is a nack"]
pub struct Ack {
    control: Option<Arc<LaneControl>>,
    offset: i64,
    attempt: u32,
}

impl Ack {
    /// Finishes the record. The offset is recorded at once, and committed with the next commit.
    ///
    /// # Errors
    /// [`Stale`] if the partition was revoked meanwhile: the record is handled again elsewhere.
    pub fn ack(self) -> Result<(), Stale> {
        self.settle(Verdict::Ack)
    }

    /// Finishes the record, and returns once the broker has committed it and every earlier record of its partition.
    ///
    /// It requests a commit at once, and the requests of many records coalesce. While commits fail, it waits for as
    /// long as they do. Dropping the future ends the wait, and the ack stays valid. It also waits for unfinished
    /// earlier records of the partition (held, or settled elsewhere), because no later offset can be committed before
    /// they finish.
    ///
    /// If a handler with `concurrency` awaits it inside the call, the call keeps counting against `concurrency`. The
    /// oldest unfinished record of the partition is still retried meanwhile. A held record makes it wait: set a
    /// `timeout`. With `order = Key`, do not nack a record after its call ended while later calls of its key wait like
    /// this: it would wait for them.
    ///
    /// # Errors
    /// [`Stale`] if the partition was revoked before the broker confirmed the commit: the record may be handled again
    /// elsewhere.
    ///
    /// ```
    /// use faststream::{Ack, FastStream, Stale, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// /// Deletes the original only once the offset is committed.
    /// #[subscriber(topic = "files", ack = Manual)]
    /// async fn copy(file: String, ack: Ack) -> Result<(), Stale> {
    ///     ack.ack_durable().await?;
    ///     println!("{file} may be deleted");
    ///     Ok(())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("copies");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("files", &"a.txt").await;
    /// assert_eq!(app.committed("copies", "files")[&0], 1);
    /// # });
    /// ```
    pub async fn ack_durable(mut self) -> Result<(), Stale> {
        let (control, settled) = self.take(Verdict::Ack);
        let offset = settled.offset;
        control.settle(Settled { durable: true, ..settled })?;
        control.durable(offset).await
    }

    /// Fails the record: it is retried by the policy, then `on_error` applies.
    ///
    /// # Errors
    /// [`Stale`], as for [`ack`](Self::ack).
    pub fn nack(self) -> Result<(), Stale> {
        self.settle(Verdict::nack())
    }

    /// Fails the record. It is retried after `pause`, instead of the policy's pause.
    ///
    /// # Errors
    /// [`Stale`], as for [`ack`](Self::ack).
    pub fn nack_after(self, pause: Duration) -> Result<(), Stale> {
        self.settle(Verdict::Nack { after: Some(pause) })
    }

    /// Gives up on the record now: to the dead-letter topic if one is named, else by `on_error`.
    ///
    /// # Errors
    /// [`Stale`], as for [`ack`](Self::ack).
    pub fn reject(self, reason: impl Into<Cow<'static, str>>) -> Result<(), Stale> {
        self.settle(Verdict::reject(reason))
    }

    /// Finishes the record without handling it.
    ///
    /// # Errors
    /// [`Stale`], as for [`ack`](Self::ack).
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
            // If stale, the record is handled again elsewhere, which is what a nack requests.
            let _ = control.settle(Settled { dropped: true, ..settled });
        }
    }
}

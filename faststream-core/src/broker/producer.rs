//! How records are published, and how their confirmation is awaited.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::BoxFuture;
use crate::publish::Outgoing;

/// Publishes records. Shared by all of the process.
pub trait Producer: Send + Sync {
    /// Queues a record. Never blocks; a full queue is told by the receipt, as [`PublishErrorKind::QueueFull`].
    fn enqueue(&self, record: Outgoing) -> Receipt;

    /// Resolves when everything that was queued before is confirmed or refused.
    fn flush(&self) -> BoxFuture<'_, ()>;
}

/// Where a record landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The partition that it was written to.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// A record was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("publishing to topic {topic}: {message}")]
pub struct PublishError {
    /// Whether trying again can help.
    pub kind: PublishErrorKind,
    /// The topic it was for.
    pub topic: String,
    /// The code's name and text, and what to do.
    pub message: String,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The client's own queue is full: try again after a moment.
    QueueFull,
    /// The broker refused or did not answer: the same record may pass later.
    Retriable,
    /// Only the cluster can change it: a missing right or topic, a policy, a quota. The same record passes once somebody
    /// mended that; calling its handler again changes nothing.
    Denied,
    /// The record itself can never be published: its size, encoding or headers. Only another call can help.
    Permanent,
}

/// Resolves when the broker confirmed the record or refused it. Costs no boxed future.
#[derive(Debug)]
pub struct Receipt(Inner);

#[derive(Debug)]
enum Inner {
    Known(Option<Result<Published, PublishError>>),
    Waiting { answer: oneshot::Receiver<Result<Published, PublishError>>, topic: String },
}

impl Receipt {
    /// The result is known already.
    #[must_use]
    pub fn known(result: Result<Published, PublishError>) -> Self {
        Self(Inner::Known(Some(result)))
    }

    /// The result comes by `answer`; a sender that is dropped counts as refused, and may be tried again.
    #[must_use]
    pub fn waiting(topic: String, answer: oneshot::Receiver<Result<Published, PublishError>>) -> Self {
        Self(Inner::Waiting { answer, topic })
    }
}

impl Receipt {
    /// The result, if it was known at once. No waker is registered.
    pub(crate) fn take_known(&mut self) -> Option<Result<Published, PublishError>> {
        match &mut self.0 {
            Inner::Known(result) => result.take(),
            Inner::Waiting { .. } => None,
        }
    }
}

impl Future for Receipt {
    type Output = Result<Published, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Inner::Known(result) => {
                Poll::Ready(result.take().expect("a receipt is not polled after its end"))
            }
            Inner::Waiting { answer, topic } => Pin::new(answer).poll(cx).map(|answer| {
                answer.unwrap_or_else(|_| {
                    Err(PublishError {
                        kind: PublishErrorKind::Retriable,
                        topic: std::mem::take(topic),
                        message: "the producer ended before the broker answered".into(),
                    })
                })
            }),
        }
    }
}

//! Tracks which records are in flight, for `flush`.
//!
//! Records carry a token of their round. A flush begins a new round and waits until all tokens of the earlier
//! rounds are dropped, so later records do not delay it. A token is a clone of an `Arc`, so a record allocates
//! nothing here.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

/// Proof that a record is in flight. Travels in its ticket, and is dropped with it.
#[derive(Debug)]
pub(super) struct QueueToken {
    /// Nothing is ever sent on it. It closes when the last token of the round is dropped, which the receivers
    /// notice.
    _open: watch::Sender<()>,
}

/// The rounds that have not ended. Locked for reading by each record, for writing by each flush.
#[derive(Debug)]
pub(super) struct Queued(RwLock<Rounds>);

/// The current round and the earlier ones.
#[derive(Debug)]
struct Rounds {
    /// The token of the round that new records join. This clone keeps the round open.
    current: Arc<QueueToken>,
    /// All rounds that may not have ended, the current one last.
    open: Vec<watch::Receiver<()>>,
}

impl Default for Queued {
    fn default() -> Self {
        let (open, end) = watch::channel(());
        Self(RwLock::new(Rounds { current: Arc::new(QueueToken { _open: open }), open: vec![end] }))
    }
}

impl Queued {
    /// Returns a token of the current round.
    pub(super) fn token(&self) -> Arc<QueueToken> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).current)
    }

    /// Begins a new round at the call, not at the first poll. The returned future resolves when all tokens that
    /// were issued before the call are dropped.
    pub(super) fn all(&self) -> impl Future<Output = ()> + Send + use<> {
        let ends = self.earlier();
        async move {
            for mut end in ends {
                // Nothing is ever sent: it fails when the last token is dropped.
                while end.changed().await.is_ok() {}
            }
        }
    }

    /// Begins a new round, and returns the earlier ones. Each is closed when its last token is dropped.
    pub(super) fn earlier(&self) -> Vec<watch::Receiver<()>> {
        let (open, end) = watch::channel(());
        let mut rounds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rounds.current = Arc::new(QueueToken { _open: open });
        rounds.open.retain(|end| end.has_changed().is_ok());
        let before = rounds.open.clone();
        rounds.open.push(end);
        before
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(future: impl Future<Output = ()>) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn nothing_queued_is_flushed_at_once() {
        let queued = Queued::default();
        assert!(is_ready(queued.all()));
        drop(queued.token());
        assert!(is_ready(queued.all()));
    }

    #[test]
    fn a_flush_waits_for_what_was_queued_before_it_and_for_nothing_later() {
        let queued = Queued::default();
        let first = queued.token();
        assert!(!is_ready(queued.all()));
        let second = queued.token();
        let mut flush = pin!(queued.all());
        let _later = queued.token();
        assert!(!is_ready(flush.as_mut()));
        drop(second);
        assert!(!is_ready(flush.as_mut()));
        drop(first);
        assert!(is_ready(flush));
    }
}

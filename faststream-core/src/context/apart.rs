//! Runs hooks on separate threads: a hook that blocks its thread delays no partition, no deadline and no shutdown.
//!
//! In virtual time they run in place, so that the clock stops meanwhile and a run repeats.

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Panicked, Threads, catch_in, drop_safely};

/// Runs a hook's future on a separate thread. Dropping it ends the hook at its next `await`. A hook that blocks its
/// thread is abandoned there.
pub(crate) async fn apart<T: Send + 'static>(
    threads: &Threads,
    hook: impl Future<Output = T> + Send + 'static,
) -> Result<T, Panicked> {
    if let Threads::Given(_) = threads {
        return catch_in(hook).await;
    }
    let (notify, told) = oneshot::channel();
    let left = CancellationToken::new();
    let _left_when_dropped = left.clone().drop_guard();
    let runtime = Handle::current();
    let run = async move {
        tokio::select! {
            biased;
            () = left.cancelled() => None,
            ended = hook => Some(ended),
        }
    };
    let run = move || {
        let ended = runtime.block_on(catch_in(run));
        if let Some(ended) = ended.transpose() {
            // If nothing waits any more, the returned value is dropped here.
            drop_safely(notify.send(ended));
        }
    };
    if std::thread::Builder::new().name("hook".into()).spawn(run).is_err() {
        return Err(Panicked::saying("there is no thread for it"));
    }
    // Without an answer, the runtime is shutting down.
    told.await.unwrap_or_else(|_| Err(Panicked::saying("it ended without an answer")))
}

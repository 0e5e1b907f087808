//! The one runner of hooks: on a thread of its own, with a deadline, and with every panic caught.
//!
//! A hook is the user's code. It may return an error, panic, block its thread, or never end, and an abandoned one may
//! panic even when it is dropped. None of that ends or delays the caller beyond the deadline.

use std::fmt;

use tokio::time::{Instant, timeout_at};

use crate::context::{Threads, apart, catch_in};
use crate::log::bounded;

/// Why a hook did not end well. The panic hook has reported a panic's message already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookFailure {
    /// It returned this error.
    Failed(String),
    Panicked,
    /// It was still running at the deadline: it ends at its next `await`, or is left on its thread if it blocks it.
    StillRunning,
    /// It was still running at the deadline, and panicked when it was dropped.
    PanickedInDrop,
}

/// Runs a hook until it ends, or until the deadline.
///
/// The call that returns the hook's future belongs inside `hook`, because it may panic, too.
pub(crate) async fn run_guarded<T: Send + 'static>(
    threads: &Threads,
    deadline: Option<Instant>,
    hook: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, HookFailure> {
    // The hook is dropped inside of the block, so that a panic in its drop is caught.
    let run = async move {
        let hook = apart(threads, hook);
        match deadline {
            None => Ok(hook.await),
            Some(deadline) => timeout_at(deadline, hook).await,
        }
    };
    match catch_in(run).await {
        Ok(Ok(Ok(ended))) => ended.map_err(|error| HookFailure::Failed(bounded(error))),
        Ok(Ok(Err(_))) => Err(HookFailure::Panicked),
        Ok(Err(_)) => Err(HookFailure::StillRunning),
        Err(_) => Err(HookFailure::PanickedInDrop),
    }
}

impl fmt::Display for HookFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Panicked => f.write_str("panicked"),
            Self::StillRunning => f.write_str("was still running"),
            Self::PanickedInDrop => f.write_str("panicked when it was dropped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the drop of an abandoned hook");
        }
    }

    /// Threads that run in place, as in a test in virtual time.
    fn in_place() -> Threads {
        struct InPlace;

        impl crate::context::RunPlain for InPlace {
            fn run(&self, call: Box<dyn FnOnce() + Send>) {
                call();
            }
        }
        Threads::Given(std::sync::Arc::new(InPlace))
    }

    #[tokio::test(start_paused = true)]
    async fn every_end_of_a_hook_is_told_apart() {
        let threads = in_place();
        let soon = || Some(Instant::now() + Duration::from_secs(1));
        assert_eq!(run_guarded(&threads, None, async { Ok(7) }).await, Ok(7));
        let failed: Result<(), _> = run_guarded(&threads, soon(), async { Err("no price".into()) }).await;
        assert_eq!(failed, Err(HookFailure::Failed("no price".into())));
        let panicked: Result<(), _> = run_guarded(&threads, soon(), async { panic!("in a hook") }).await;
        assert_eq!(panicked, Err(HookFailure::Panicked));
        let endless: Result<(), _> = run_guarded(&threads, soon(), pending()).await;
        assert_eq!(endless, Err(HookFailure::StillRunning));
        let bomb = async {
            let _bomb = Bomb;
            pending::<Result<(), String>>().await
        };
        assert_eq!(run_guarded(&threads, soon(), bomb).await, Err(HookFailure::PanickedInDrop));
    }

    #[tokio::test]
    async fn a_hook_that_blocks_its_thread_is_left_at_the_deadline() {
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let hook = async move {
            let _ = blocked.recv();
            Ok(())
        };
        let deadline = Some(Instant::now() + Duration::from_millis(20));
        assert_eq!(run_guarded(&Threads::Pool, deadline, hook).await, Err(HookFailure::StillRunning));
        drop(release);
    }
}

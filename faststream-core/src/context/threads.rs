//! The threads on which plain functions and hooks run.

#[cfg(feature = "testing")]
use std::cell::RefCell;
use std::sync::Arc;

/// Where plain functions run.
#[derive(Clone)]
pub enum Threads {
    /// On the blocking pool of the tokio runtime.
    Pool,
    /// On the threads of a test or a simulation.
    Given(Arc<dyn RunPlain>),
}

#[cfg(feature = "testing")]
thread_local! {
    static GIVEN: RefCell<Option<Threads>> = const { RefCell::new(None) };
}

impl Threads {
    /// Sets the default of apps that are started on this thread from now on. A test in virtual time gives them threads
    /// during whose work its clock stops.
    #[cfg(feature = "testing")]
    pub(crate) fn give(threads: Option<Self>) {
        GIVEN.set(threads);
    }

    /// Runs the call on one of the threads.
    pub(super) fn run(&self, call: impl FnOnce() + Send + 'static) {
        match self {
            Self::Pool => drop(tokio::task::spawn_blocking(call)),
            Self::Given(threads) => threads.run(Box::new(call)),
        }
    }
}

impl Default for Threads {
    /// Returns the blocking pool, unless a test gave other threads.
    fn default() -> Self {
        #[cfg(feature = "testing")]
        if let Some(given) = GIVEN.with_borrow(Clone::clone) {
            return given;
        }
        Self::Pool
    }
}

/// Runs plain functions, each on a thread that may block.
pub trait RunPlain: Send + Sync {
    /// Runs the call on another thread, now or later, at most once. Returns at once, or when the call has ended.
    fn run(&self, call: Box<dyn FnOnce() + Send>);
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Pool) { "Pool" } else { "Given" })
    }
}

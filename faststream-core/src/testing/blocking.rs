//! Plain `fn`s in tests: they run on the blocking pool as in production, with consequences for virtual time.
//!
//! The clock stops while one runs, because tokio holds it as long as a blocking task runs. A function that waits for
//! the clock (`Handle::block_on` of a timer) would then wait forever, so after a moment of real time the clock
//! continues, at the pace of real time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, advance};

use super::simulate;
use crate::context::{RunPlain, Threads};

/// The clock stops for calls that take no longer, counted in steps: a call without a processor costs no steps while the
/// thread that counts them has none either.
const STILL: u32 = 20;
/// The length of a step, in real time.
const STEP: Duration = Duration::from_millis(5);

thread_local! {
    /// True on the thread of a test in virtual time.
    static VIRTUAL: Cell<bool> = const { Cell::new(false) };
    /// The runtime for which a plain function of such a test runs on this thread.
    static CALLED_BY: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Blocks the thread of a plain `fn` for a while: in virtual time in a test or a simulation, in real time elsewhere.
///
/// Use it for slow work in handlers under test. In a simulation, nothing else lets a plain `fn` take (virtual) time so
/// that the seed replays.
///
/// # Panics
/// On the thread of the test itself, in virtual time. Use `tokio::time::sleep` there.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber, testing::block_for};
///
/// /// A plain `fn` runs on a thread of its own, and may block.
/// #[subscriber(topic = "reports", timeout = "10s")]
/// fn write(seconds: u64) {
///     block_for(Duration::from_secs(seconds));
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("reports");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("reports", &3).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
pub fn block_for(duration: Duration) {
    assert!(!VIRTUAL.get(), "`block_for` is for plain functions: use `tokio::time::sleep` here");
    if simulate::block_for(duration) {
        return;
    }
    match CALLED_BY.with_borrow(Clone::clone) {
        None => std::thread::sleep(duration),
        Some(handle) => {
            let until = Instant::now() + duration;
            // In steps, so that everything due in between comes in its order.
            let step = (duration / 100).max(STEP);
            while Instant::now() < until && move_clock(&handle, step.min(until - Instant::now())) {}
        }
    }
}

/// Advances a paused clock. Returns false if its runtime is gone.
fn move_clock(handle: &Handle, by: Duration) -> bool {
    let (done, moved) = channel();
    handle.spawn(async move {
        advance(by).await;
        let _ = done.send(());
    });
    moved.recv().is_ok()
}

/// Marks this thread as a test in virtual time until it is dropped, and gives its apps their threads.
pub(super) struct VirtualTime(());

impl VirtualTime {
    /// Marks this thread.
    pub(super) fn enter() -> Self {
        VIRTUAL.set(true);
        Threads::give(Some(Threads::Given(Arc::new(Paced::default()))));
        Self(())
    }
}

impl Drop for VirtualTime {
    fn drop(&mut self) {
        Threads::give(None);
        VIRTUAL.set(false);
    }
}

/// The blocking pool, and the clock's pace while it is busy.
#[derive(Default)]
struct Paced(Arc<Calls>);

/// The plain calls of one app, shared by their threads and the one that keeps the pace.
#[derive(Default)]
struct Calls {
    /// Which calls are open.
    known: Mutex<Known>,
    /// Notified when a call ends, so that the pace ends with the last one.
    changed: Condvar,
}

/// What is known of plain calls.
#[derive(Default)]
struct Known {
    /// The number of the last call.
    made: u64,
    /// The calls that run or wait for a thread, and for how many steps.
    open: BTreeMap<u64, u32>,
    /// Whether a thread keeps the pace.
    is_paced: bool,
}

/// Keeps a call open until it is dropped.
struct Open {
    /// The set that the call is in.
    calls: Arc<Calls>,
    /// The number of the call.
    number: u64,
}

impl RunPlain for Paced {
    fn run(&self, call: Box<dyn FnOnce() + Send>) {
        let handle = Handle::current();
        let mut known = self.0.known();
        known.made += 1;
        let number = known.made;
        known.open.insert(number, 0);
        let is_paced = std::mem::replace(&mut known.is_paced, true);
        drop(known);
        let open = Open { calls: Arc::clone(&self.0), number };
        if !is_paced {
            let (calls, handle) = (Arc::clone(&self.0), handle.clone());
            tokio::task::spawn_blocking(move || calls.keep_pace(&handle));
        }
        tokio::task::spawn_blocking(move || {
            let _open = open;
            CALLED_BY.set(Some(handle));
            call();
            CALLED_BY.set(None);
        });
    }
}

impl Calls {
    /// Advances the clock at the pace of real time while a call is open for more than `STILL` steps. Ends with the
    /// last open call; the next call starts it again.
    ///
    /// Time that the thread itself got no processor for counts as one step, however long: a busy machine does not
    /// start the clock.
    fn keep_pace(&self, handle: &Handle) {
        let mut last = std::time::Instant::now();
        let mut known = self.known();
        loop {
            if known.open.is_empty() {
                known.is_paced = false;
                return;
            }
            let waited = self.changed.wait_timeout(known, STEP);
            known = waited.unwrap_or_else(PoisonError::into_inner).0;
            let passed = last.elapsed();
            if passed < STEP {
                continue;
            }
            last = std::time::Instant::now();
            known.open.values_mut().for_each(|steps| *steps += 1);
            if known.open.values().any(|steps| *steps > STILL) {
                drop(known);
                move_clock(handle, passed);
                known = self.known();
            }
        }
    }

    /// Takes the lock. A panic of an earlier holder is ignored.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.calls.known().open.remove(&self.number);
        self.calls.changed.notify_all();
    }
}

//! Plain `fn`s under simulation: on threads of their own, which may block, and still one thing at a time.
//!
//! The simulation's thread and those of plain functions take turns: whoever gives a turn waits until it comes back, with
//! the function's end or with a [`block_for`], which is a timer of the simulation. So the clock stands still while a
//! function runs, and a seed replays. A function that waits for the simulation itself by other means (a lock that an
//! async handler has, `Handle::block_on` of a timer) keeps its turn for a moment of real time; then both continue side
//! async handler has, `Handle::block_on` of a timer) //! by side, and nothing replays any more.
//!
//! Two mistakes ended the turns by accident before. A function gives its turn back as the last thing that it does:
//! once its timer is registered, not before. And the moment of real time is counted in looks of the waiting thread,
//! so that a machine without time for either of them ends no turn.
//!
//! The way of one call:
//! 1. The lane's task calls `run`. `give` takes an idle worker or starts one, sets it to `Given`, and blocks the
//!    simulation.
//! 2. The worker runs the function (`Runs`). In `block_for` it starts a timer on the simulation's runtime, sets
//!    `Asleep`, and waits. The simulation continues.
//! 3. The timer sets `Woken`, and blocks the simulation again.
//! 4. The function returns. The worker sets `Idle`, and the simulation continues for good.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};

use super::random::{Scope, Shared, random, shared};
use crate::context::RunPlain;

/// How long a thread waits for a turn to come back, in real time: this many looks, this far apart. Half a second
/// in all.
const TURN: (u32, Duration) = (100, Duration::from_millis(5));
/// How often a function has to wait for a thread, as with a full pool, and for how long at most, in virtual time.
const FULL: (f64, Duration) = (0.1, Duration::from_secs(2));

thread_local! {
    /// The worker that runs a plain function on this thread, with the runtime of its simulation.
    static WORKER: RefCell<Option<(Arc<Worker>, Handle)>> = const { RefCell::new(None) };
}

/// The threads of one run. Dropping it ends them.
pub(super) struct Turns(Arc<Mutex<Idle>>);

/// The threads without work; `None` once the run is over.
type Idle = Option<Vec<Arc<Worker>>>;

/// A thread for plain functions, as both sides share it.
struct Worker {
    /// Who has the turn. Locked for a moment by either side.
    phase: Mutex<Phase>,
    /// Notified whenever the phase changes.
    changed: Condvar,
}

/// The state of a worker. It has the turn in `Given`, `Runs` and `Woken`; the simulation has it otherwise.
enum Phase {
    /// It has no work. Its turn came back.
    Idle,
    /// It has the turn, and work that it has not taken yet.
    Given(Work),
    /// It runs its function.
    Runs,
    /// It waits for a timer in `block_for`. Its turn came back.
    Asleep,
    /// Its timer is due. It has the turn again.
    Woken,
    /// The run is over, so the thread ends: at once, or by unwinding the function.
    Over,
}

/// A plain function to run, and what its thread needs for it.
struct Work {
    /// The function.
    call: Box<dyn FnOnce() + Send>,
    /// The runtime of the simulation, so that the function may use tokio's clock.
    runtime: Handle,
    /// The randomness of the simulation, so that `random()` repeats on this thread.
    random: Option<Shared>,
}

/// The payload of the panic that unwinds a function whose run is over while it waits.
struct RunIsOver;

impl Turns {
    /// Returns a set without threads.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }
}

impl RunPlain for Turns {
    /// Runs a plain function on a thread of its own, while the caller waits for its turn. Sometimes it gets its
    /// thread later, as with a full pool.
    fn run(&self, call: Box<dyn FnOnce() + Send>) {
        let work = Work { call, runtime: Handle::current(), random: shared() };
        let idle = Arc::clone(&self.0);
        let mut random = random();
        if random.fails(FULL.0) {
            let pause = random.duration(FULL.1);
            tokio::spawn(async move {
                sleep(pause).await;
                give(&idle, work);
            });
        } else {
            give(&idle, work);
        }
    }
}

/// Gives the turn to a thread without work, or to a new one, and waits until it comes back.
fn give(idle: &Arc<Mutex<Idle>>, work: Work) {
    let free = lock(idle).as_mut().and_then(Vec::pop);
    let worker = free.unwrap_or_else(|| {
        let worker = Arc::new(Worker { phase: Mutex::new(Phase::Idle), changed: Condvar::new() });
        let (own, idle) = (Arc::clone(&worker), Arc::clone(idle));
        thread::Builder::new().name("plain".into()).spawn(move || own.work(&idle)).expect("a thread");
        worker
    });
    worker.turn(Phase::Given(work));
}

/// Blocks a plain function for this much virtual time. False if no function of a simulation runs on this thread.
///
/// # Panics
/// If the run is over meanwhile: that unwinds the function, without a message.
pub(in crate::testing) fn block_for(duration: Duration) -> bool {
    let Some((worker, runtime)) = WORKER.with_borrow(Clone::clone) else { return false };
    let until = Instant::now() + duration;
    let wakes = Wakes(Some(Arc::clone(&worker)));
    // Registered by this thread, which still has the turn, so that the order of timers replays.
    runtime.spawn(async move {
        sleep_until(until).await;
        wakes.wake();
    });
    let mut phase = worker.lock();
    // The phase differs if the timer was due at once (the turn had timed out), or if the run is over.
    if let Phase::Runs = *phase {
        *phase = Phase::Asleep;
        worker.changed.notify_all();
    }
    while let Phase::Asleep = *phase {
        phase = worker.changed.wait(phase).unwrap_or_else(PoisonError::into_inner);
    }
    let is_over = matches!(*phase, Phase::Over);
    if !is_over {
        *phase = Phase::Runs;
    }
    drop(phase);
    if is_over {
        // `resume_unwind` skips the panic hook: nothing went wrong.
        std::panic::resume_unwind(Box::new(RunIsOver));
    }
    true
}

/// The timer of a function that is asleep. If it is dropped with its runtime, it ends the wait.
struct Wakes(Option<Arc<Worker>>);

impl Wakes {
    /// Gives the turn to the function, and waits until it comes back.
    fn wake(mut self) {
        if let Some(worker) = self.0.take() {
            worker.turn(Phase::Woken);
        }
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        if let Some(worker) = &self.0 {
            worker.end();
        }
    }
}

impl Worker {
    /// Gives the worker the turn in this phase, and waits until it comes back, or until half a second of real time
    /// has passed.
    fn turn(&self, phase: Phase) {
        *self.lock() = phase;
        self.changed.notify_all();
        let mut phase = self.lock();
        for _look in 0..TURN.0 {
            if !matches!(*phase, Phase::Given(_) | Phase::Runs | Phase::Woken) {
                return;
            }
            phase = self.changed.wait_timeout(phase, TURN.1).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the worker: the run is over.
    fn end(&self) {
        *self.lock() = Phase::Over;
        self.changed.notify_all();
    }

    /// Runs functions until the run is over. A thread is without work only after its turn came back, so
    /// that the next function finds it.
    fn work(self: &Arc<Self>, idle: &Mutex<Idle>) {
        while let Some(Work { call, runtime, random }) = self.next() {
            let _entered = runtime.enter();
            let _scope = random.map(Scope::join);
            WORKER.set(Some((Arc::clone(self), runtime.clone())));
            call();
            WORKER.set(None);
            let mut idle = lock(idle);
            *self.lock() = Phase::Idle;
            self.changed.notify_all();
            let Some(idle) = idle.as_mut() else { return };
            idle.push(Arc::clone(self));
        }
    }

    /// Waits for the next function; `None` once the run is over.
    fn next(&self) -> Option<Work> {
        let mut phase = self.lock();
        loop {
            match std::mem::replace(&mut *phase, Phase::Runs) {
                Phase::Given(work) => return Some(work),
                Phase::Over => return None,
                other => *phase = other,
            }
            phase = self.changed.wait(phase).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the lock of the phase.
    fn lock(&self) -> MutexGuard<'_, Phase> {
        lock(&self.phase)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        let idle = lock(&self.0).take();
        idle.into_iter().flatten().for_each(|worker| worker.end());
    }
}

/// Takes a lock. A panic of an earlier holder is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Plain `fn`s under simulation: on threads of their own, which may block, and still one thing at a time.
//!
//! The simulation's thread and those of plain functions take turns: whoever gives a turn waits until it comes back, with
//! the function's end or with a [`block_for`], which is a timer of the simulation. So the clock stands still while a
//! function runs, and a seed replays. A function that waits for the simulation itself by other means (a lock that an
//! async handler has, `Handle::block_on` of a timer) keeps its turn for a moment of real time; then both go on side by
//! side, and nothing replays any more.
//!
//! Two things would end the turns by accident, and did. A function gives its turn back as the last thing that it does:
//! once its timer is registered, not before. And the moment of real time is counted in looks of the thread that waits,
//! so that a machine without time for either of them ends no turn.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};

use super::random::{Scope, Shared, random, shared};
use crate::runtime::RunPlain;

/// How long a turn is waited for: so many looks, so far apart in real time.
const TURN: (u32, Duration) = (100, Duration::from_millis(5));
/// How often a function waits for a thread, as with a full pool, and how long at most.
const FULL: (f64, Duration) = (0.1, Duration::from_secs(2));

thread_local! {
    /// The plain function that runs on this thread.
    static WORKER: RefCell<Option<(Arc<Worker>, Handle)>> = const { RefCell::new(None) };
}

/// The threads of one run.
pub(super) struct Turns(Arc<Mutex<Idle>>);

/// Threads without work; `None` once the run is over.
type Idle = Option<Vec<Arc<Worker>>>;

struct Worker {
    phase: Mutex<Phase>,
    changed: Condvar,
}

enum Phase {
    /// Without work; its turn came back.
    Idle,
    Given(Work),
    /// It has the turn.
    Runs,
    /// It waits for a timer; its turn came back.
    Asleep,
    /// Its timer is due; it has the turn.
    Woken,
    /// The run is over.
    Over,
}

struct Work {
    call: Box<dyn FnOnce() + Send>,
    runtime: Handle,
    random: Option<Shared>,
}

/// What unwinds a function whose run is over while it waits.
struct RunIsOver;

impl Turns {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }
}

impl RunPlain for Turns {
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

/// Gives the turn to a thread that has none, with this work.
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

/// Blocks a plain function for a while of virtual time; false if none of a simulation runs on this thread.
pub(in crate::testing) fn block_for(duration: Duration) -> bool {
    let Some((worker, runtime)) = WORKER.with_borrow(Clone::clone) else { return false };
    let until = Instant::now() + duration;
    let wakes = Wakes(Some(Arc::clone(&worker)));
    // By this thread, which still has the turn: the order of timers replays.
    runtime.spawn(async move {
        sleep_until(until).await;
        wakes.wake();
    });
    let mut phase = worker.lock();
    // Unless the timer was due at once because the turn had ended, or the run is over.
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
        // Without the panic hook: nothing went wrong.
        std::panic::resume_unwind(Box::new(RunIsOver));
    }
    true
}

/// The timer of a function that is asleep. Dropped with its runtime, it ends the wait.
struct Wakes(Option<Arc<Worker>>);

impl Wakes {
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
    /// Gives it the turn, and waits until it comes back.
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

    fn end(&self) {
        *self.lock() = Phase::Over;
        self.changed.notify_all();
    }

    /// Works until the run is over.
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

    /// The next work; `None` once the run is over.
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

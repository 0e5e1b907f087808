//! Spreads seeds over the machine's cores: each runs on one thread, and repeats whatever the others do.
//!
//! This is the only part of a simulation in real time. One thread for each core takes the next seed until none is
//! left or one has failed; the caller's thread watches for a seed that hangs.

use std::io::{Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::{attempt, tell};
use super::fleet::Factory;
use super::promise::Violation;
use super::report::Report;
use super::scenario::Scenario;

/// The longest time of one seed, by the wall clock. A usual one takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(60);

/// What the threads of one simulation share.
struct Work<I> {
    /// The seeds that nobody has taken.
    seeds: Mutex<I>,
    /// The seeds in progress, and when each began.
    under_way: Mutex<Vec<(u64, Instant)>>,
    /// Whether a seed has failed, so that no other one begins.
    failed: AtomicBool,
    /// The sum of the reports, and the failures of seeds.
    results: Mutex<(Report, Vec<(u64, Violation)>)>,
}

/// Runs all seeds, and returns the sum of their reports. `name` is the test, for the report of a failure.
///
/// # Errors
/// The report of the lowest seed that breaks a promise.
pub(super) fn spread(
    seeds: impl Iterator<Item = u64> + Send,
    factory: &Factory<'_>,
    scenario: &Scenario,
    name: &str,
) -> Result<Report, String> {
    let work = Work {
        seeds: Mutex::new(seeds),
        under_way: Mutex::default(),
        failed: AtomicBool::new(false),
        results: Mutex::default(),
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (done, watched) = channel::<()>();
        for _ in 0..threads {
            let (work, done) = (&work, done.clone());
            scope.spawn(move || work.go(factory, scenario, &done));
        }
        drop(done);
        while watched.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            work.watch(name);
        }
    });
    let (report, mut failures) = work.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Seeds are taken in order, and a seed that began is completed: the lowest failure is the same each time.
    failures.sort_by_key(|(seed, _)| *seed);
    match failures.first() {
        None => Ok(report),
        Some((seed, found)) => Err(apart(|| tell(*seed, found, factory, scenario, name, false))),
    }
}

/// Runs one seed, and prints everything that happens in it.
///
/// # Panics
/// With the report of the seed, if it breaks a promise.
pub(super) fn alone(seed: u64, factory: &Factory<'_>, scenario: &Scenario, name: &str) -> Report {
    let ran = apart(|| attempt(seed, factory, scenario, true));
    match ran {
        Ok(finished) => {
            let mut report = Report::default();
            report.add(&finished);
            let timeline = finished.checker.model().timeline.show(true);
            let _ = writeln!(
                stderr(),
                "seed {seed} breaks no promise; what happened, in virtual seconds:\n{timeline}"
            );
            report
        }
        Err((found, _)) => {
            let told = apart(|| tell(seed, &found, factory, scenario, name, true));
            panic!("{told}")
        }
    }
}

/// Runs this on a thread of its own: the caller's may be in a tokio runtime, in which another one cannot block.
fn apart<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

impl<I: Iterator<Item = u64> + Send> Work<I> {
    /// Takes and runs seeds, on one of the threads. The sender `_done` is never used: it is dropped when the
    /// thread ends, and the drop of the last one ends the caller's watch.
    fn go(&self, factory: &Factory<'_>, scenario: &Scenario, _done: &Sender<()>) {
        let mut report = Report::default();
        while !self.failed.load(SeqCst) {
            let Some(seed) = self.take() else { break };
            let ran = attempt(seed, factory, scenario, false);
            lock(&self.under_way).retain(|(other, _)| *other != seed);
            match ran {
                Ok(finished) => report.add(&finished),
                Err((violation, _)) => {
                    self.failed.store(true, SeqCst);
                    lock(&self.results).1.push((seed, violation));
                }
            }
        }
        lock(&self.results).0.merge(&report);
    }

    /// Takes the next seed, and notes that it is in progress.
    fn take(&self) -> Option<u64> {
        let seed = lock(&self.seeds).next()?;
        lock(&self.under_way).push((seed, Instant::now()));
        Some(seed)
    }

    /// Ends the process if a seed hangs, with its number: nothing else can end a thread. 101 is the exit code of a
    /// failed test.
    fn watch(&self, name: &str) {
        let hanging = lock(&self.under_way).iter().find(|(_, since)| since.elapsed() > LIMIT).copied();
        if let Some((seed, _)) = hanging {
            // `eprintln` would be captured for the end of the test, which never comes.
            let _ = writeln!(stderr(), "{name}: seed {seed} hangs: not done after {LIMIT:?} of real time");
            std::process::exit(101);
        }
    }
}

/// Takes a lock. A panic of an earlier holder is ignored.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

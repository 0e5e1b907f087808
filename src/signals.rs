//! SIGTERM and Ctrl-C, received on a thread and a runtime of their own: handlers that block every thread of the
//! app's runtime delay neither the shutdown nor its end.
//!
//! The first signal begins the shutdown. From then on there are three ways to an early end of the process, each
//! with a line that says why: a second signal (exit code 130), handlers that block every thread when the drain
//! time is over, and a shutdown that takes longer than brokers and hooks may (both 2). Unfinished records are
//! handled again after the next start.

use std::future::Future;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use faststream_core::app::Plan;
use faststream_core::log;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::cli;

/// The exit code after a second signal: 128 and the number of SIGINT, as shells use it.
const SECOND_SIGNAL: i32 = 130;
/// The exit code if the shutdown takes longer than it may.
const DRAIN_EXCEEDED: i32 = 2;
/// Within this time, a second signal counts as the first one: wrappers send one to the process and one to its
/// process group.
const SAME: Duration = Duration::from_millis(500);
/// How long leaving the groups may take beyond the drain time.
const LEAVE: Duration = Duration::from_millis(1_500);

/// How long a shutdown may take: the longest drain time, and all of it with brokers and hooks. `None` until the
/// app is checked.
#[derive(Clone, Default)]
pub(crate) struct Limits(Arc<Mutex<Option<(Duration, Duration)>>>);

impl Limits {
    /// Sets the limits of a checked app. Called once, before the app starts.
    pub(crate) fn set(&self, plan: &Plan) {
        let limits = (plan.longest_drain(), plan.longest_stop());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
    }

    /// Returns the limits, if the app is checked.
    fn get(&self) -> Option<(Duration, Duration)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread. The returned future resolves at the first signal, and never if there is no thread for
/// signals, which is logged.
///
/// The second signal ends the process at once. So does the end of the longest time that a shutdown may take; if
/// the app's runtime, `workers`, has no free thread at the end of the drain time, that ends it already.
pub(crate) fn first(workers: Handle, limits: Limits) -> impl Future<Output = ()> {
    let (told, signal) = oneshot::channel();
    let listen = move || match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(listen(told, &workers, &limits)),
        Err(error) => log::error!("signals are not heard: {error}"),
    };
    if let Err(error) = thread::Builder::new().name("fs-signals".into()).spawn(listen) {
        log::error!("no thread to hear signals on: {error}");
    }
    async {
        if signal.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for the first signal, reports it, and watches the shutdown. A task on `workers` that has not run by the
/// end of the drain time shows that every thread is blocked.
async fn listen(told: oneshot::Sender<()>, workers: &Handle, limits: &Limits) {
    next().await;
    let alive = workers.spawn(async {});
    let _ = told.send(());
    tokio::select! {
        biased;
        () = async { sleep(SAME).await; next().await } => {
            cli::last_words(|| log::warn!("a second signal: ended at once"));
            process::exit(SECOND_SIGNAL);
        }
        () = late(limits, || alive.is_finished()) => {}
    }
}

/// Ends the process when the shutdown takes longer than it may. Never resolves if the app was not checked yet.
async fn late(limits: &Limits, is_alive: impl Fn() -> bool) {
    let Some((drain, longest)) = limits.get() else { return std::future::pending().await };
    sleep(drain + LEAVE).await;
    if !is_alive() {
        give_up("handlers block every thread of the runtime");
    }
    sleep(longest.saturating_sub(drain)).await;
    give_up("the stop takes longer than drain times, brokers and hooks may take");
}

/// Logs the reason, prints it, and ends the process with code 2.
fn give_up(why: &'static str) -> ! {
    cli::last_words(move || {
        log::error!("{why}: ended all the same, without what is left to do");
        cli::print_end(&[format!("{why}: what was not finished is handled again")]);
    });
    process::exit(DRAIN_EXCEEDED)
}

/// Resolves at the next SIGTERM or Ctrl-C. Where a handler cannot be installed, that signal is never reported.
async fn next() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        biased;
        () = interrupt => {}
        () = terminate => {}
    }
}

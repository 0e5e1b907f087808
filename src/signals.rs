//! SIGTERM and Ctrl-C, heard on a thread of their own: handlers that block every thread of the runtime delay neither
//! the stop nor its end.

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

/// Exit code after a second signal.
const SECOND_SIGNAL: i32 = 130;
/// Exit code when the drain time was exceeded.
const DRAIN_EXCEEDED: i32 = 2;
/// Within this, a second signal is the first once more: wrappers send one to the process and one to its group.
const SAME: Duration = Duration::from_millis(500);
/// What leaving the groups may take beyond the drain time.
const LEAVE: Duration = Duration::from_millis(1_500);

/// What a stop may take, once that is known.
#[derive(Clone, Default)]
pub(crate) struct Limits(Arc<Mutex<Option<(Duration, Duration)>>>);

impl Limits {
    pub(crate) fn set(&self, plan: &Plan) {
        let limits = (plan.longest_drain(), plan.longest_stop());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
    }

    fn get(&self) -> Option<(Duration, Duration)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves at the first signal. The second one ends the process at once; so does the end of the longest time that a
/// stop may take, and that of the drain time already if the runtime, `workers`, has no thread left to run on.
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

/// Ends the process when the stop takes longer than it may.
async fn late(limits: &Limits, is_alive: impl Fn() -> bool) {
    let Some((drain, longest)) = limits.get() else { return std::future::pending().await };
    sleep(drain + LEAVE).await;
    if !is_alive() {
        give_up("handlers block every thread of the runtime");
    }
    sleep(longest.saturating_sub(drain)).await;
    give_up("the stop takes longer than drain times, brokers and hooks may take");
}

fn give_up(why: &'static str) -> ! {
    cli::last_words(move || {
        log::error!("{why}: ended all the same, without what is left to do");
        cli::print_end(&[format!("{why}: what was not finished is handled again")]);
    });
    process::exit(DRAIN_EXCEEDED)
}

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

//! What the generated `main` calls: the command line, the runtime, signals, the exit code.
//!
//! In this order: the arguments are parsed, logs and the panic hook are set up, the runtime and the thread for
//! signals start, and the app is built and runs on the runtime. The first signal begins the shutdown, and the exit
//! code tells how it ended.

use std::future::Future;
use std::process::ExitCode;

use faststream_core::app::{Exit, FastStream, LaunchOptions, StartOptions};
use faststream_core::log::bounded;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::cli::{self, Command};
use crate::signals::{self, Limits};

/// The variable with the number of threads that handlers run on, as in tokio.
const THREADS: &str = "TOKIO_WORKER_THREADS";
/// The maximum number of threads: no machine has more cores.
const MOST_THREADS: usize = 4096;

/// Runs an app as the generated `main` does: command line, logs, signals, exit code. For programs whose `main`
/// does something else first; the app needs a name.
///
/// It starts a runtime of its own, so it is called where none runs: from a plain `fn main`. Inside
/// `#[tokio::main]` it only prints that, and the exit code is 1; use [`FastStream::run_until`] there.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use faststream::{FastStream, kafka::Kafka, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) {}
///
/// fn main() -> ExitCode {
///     println!("reads the settings");
///     faststream::run(FastStream::new(Kafka::from_env()).name("billing"))
/// }
/// ```
#[must_use]
pub fn run(app: FastStream) -> ExitCode {
    run_main(async || Ok(app), Main::default())
}

/// What the generated `main` knows of its package.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Main {
    /// Its name; empty without a generated `main`.
    pub package: &'static str,
    /// Its version; empty without a generated `main`.
    pub version: &'static str,
    /// Whether a panic ends the process: `cfg!(panic = "abort")`.
    pub panics_abort: bool,
}

/// Runs the app that `app` builds: what the generated `main` calls. `app` is called once, on the runtime, after
/// the logs are set up; its error is printed, and the exit code is 1.
#[doc(hidden)]
pub fn run_main(app: impl AsyncFnOnce() -> Result<FastStream, String>, main: Main) -> ExitCode {
    let command = match cli::parse(main.package, main.version) {
        Ok(command) => command,
        Err(code) => return code,
    };
    cli::init_logs(&command);
    bound_panics();
    if Handle::try_current().is_ok() {
        return end(&Exit::not_started(
            "`faststream::run` starts a runtime of its own, and was called inside of one: call it from a plain \
             `fn main`, or await `app.run_until(shutdown)` inside `#[tokio::main]`"
                .to_owned(),
        ));
    }
    let runtime = match start_threads() {
        Ok(runtime) => runtime,
        Err(error) => return end(&Exit::not_started(error)),
    };
    let setting = LaunchOptions {
        package: (!main.package.is_empty()).then_some(main.package),
        version: (!main.version.is_empty()).then_some(main.version),
        panics_abort: main.panics_abort,
        ..LaunchOptions::default()
    };
    let limits = Limits::default();
    let signal = signals::first(runtime.handle().clone(), limits.clone());
    let exit = runtime.block_on(apply(command, app, setting, signal, &limits));
    leave(runtime);
    end(&exit)
}

/// Builds the app and carries out the command. `signal` resolves at the first signal. `limits` gets the times that
/// a shutdown may take as soon as the app is checked; before that, only a second signal ends the process early.
async fn apply(
    command: Command,
    app: impl AsyncFnOnce() -> Result<FastStream, String>,
    setting: LaunchOptions,
    signal: impl Future<Output = ()>,
    limits: &Limits,
) -> Exit {
    let mut app = match app().await {
        Ok(app) => app,
        Err(error) => return Exit::not_started(format!("the app was not built: {error}")),
    };
    match command {
        Command::Run { skips, properties } => {
            for (key, value) in properties {
                if let Err(error) = app.override_property(&key, &value) {
                    return Exit::not_started(format!("-X {key}: {error}"));
                }
            }
            match app.plan(LaunchOptions { skips, ..setting }) {
                Ok(plan) => {
                    limits.set(&plan);
                    plan.run_until(StartOptions::default(), signal).await
                }
                Err(faults) => Exit::not_started(faults.to_string()),
            }
        }
        Command::Dev { send } => cli::dev(app, setting, send, signal).await,
        Command::List => cli::list(app, setting),
    }
}

/// Starts the runtime: one thread for each core, and at least two, because a handler that blocks its thread must
/// not stop all other partitions. `TOKIO_WORKER_THREADS` overrides the number, as with tokio's own `main`.
///
/// # Errors
/// If the variable is no number from 1 to 4096, or no thread can be started.
fn start_threads() -> Result<Runtime, String> {
    let number = match std::env::var_os(THREADS) {
        None => std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)),
        Some(text) => {
            let number = text.to_str().and_then(|text| text.trim().parse().ok());
            number.filter(|number| (1..=MOST_THREADS).contains(number)).ok_or_else(|| {
                format!(
                    "the variable {THREADS} is not a number from 1 to {MOST_THREADS}: set one, or unset it"
                )
            })?
        }
    };
    let runtime = Builder::new_multi_thread().worker_threads(number).enable_all().build();
    runtime.map_err(|error| format!("no threads to run on: {error}"))
}

/// Truncates the text of panics for standard error: a payload in a panic's message may be of any length. Short
/// panics reach the hook that was there before.
fn bound_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
        let cut = bounded(text.to_owned());
        if cut == text {
            return usual(panic);
        }
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        cli::print_end(&[format!("thread panicked{place}: {cut}")]);
    }));
}

/// Ends the runtime without waiting: a handler that is stuck in blocking code must not keep the process.
fn leave(runtime: Runtime) {
    runtime.shutdown_background();
}

/// Prints the messages of an exit, and returns its code.
fn end(exit: &Exit) -> ExitCode {
    cli::print_end(&exit.messages);
    ExitCode::from(exit.code)
}

//! The command line of the generated `main`.

mod args;
mod dev;
mod hidden;
mod list;
mod output;

pub(crate) use args::{Command, parse};
pub(crate) use dev::dev;
pub(crate) use list::list;
pub(crate) use output::{last_words, tell_end};

use std::io::IsTerminal;

use faststream_core::log::guarded;
use tracing_subscriber::EnvFilter;

/// Logs go to standard error, from `info` on, unless `RUST_LOG` says otherwise. What cannot be written is lost,
/// and ends nothing.
pub(crate) fn init_logs(command: &Command) {
    // In `dev`, what the service itself logs stands between the lines about its records.
    let default = match command {
        Command::Run { .. } => "info",
        Command::Dev { .. } => "info,faststream=warn,faststream_core=warn,faststream_kafka=warn",
        Command::List => "warn",
    };
    let init = || {
        // The client library's own last words at the end of a client are told by the backend.
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new(format!("{default},rdkafka=off")));
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let logs = logs.log_internal_errors(false).with_ansi(is_coloured()).with_target(false);
        // The program may have set up its own.
        let _ = logs.compact().try_init();
    };
    // The filter prints its own warnings.
    guarded(init);
}

/// On a terminal, unless `NO_COLOR` is there and not empty: <https://no-color.org>.
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

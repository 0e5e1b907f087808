//! The command line of the generated `main`.

mod args;
mod dev;
mod hidden;
mod list;
mod output;

pub(crate) use args::{Command, parse};
pub(crate) use dev::dev;
pub(crate) use list::list;
pub(crate) use output::tell_end;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Logs go to standard error, from `info` on (`dev`: `warn`), unless `RUST_LOG` says otherwise.
pub(crate) fn init_logs(command: &Command) {
    let default = match command {
        Command::Run { .. } => "info",
        Command::Dev { .. } | Command::List => "warn",
    };
    // The client library's own last words at the end of a client are told by the backend.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},rdkafka=off")));
    // The program may have set up its own.
    let ansi = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    let _ = logs.with_target(false).compact().try_init();
}

//! Sets up the program's log lines, unless the program has done so itself.

use std::ffi::OsStr;
use std::io::IsTerminal;

use faststream_core::log::guarded;
use tracing_subscriber::EnvFilter;

use super::Command;

/// Writes log lines to standard error, unless `RUST_LOG` sets other levels. A line that cannot be written is lost,
/// and ends nothing.
///
/// | command | levels | reason |
/// | --- | --- | --- |
/// | `run` | `info` | |
/// | `dev` | `info`, faststream's own from `warn` on | its output describes the records |
/// | `list` | `warn` | the table is all that was asked for |
///
/// The target `rdkafka` is off: the backend logs everything that the client library reports, and the crate would
/// log the end of each client once more. A subscriber that the program has installed stays.
pub(crate) fn init_logs(command: &Command) {
    // In `dev`, what the service itself logs stands between the lines about its records.
    let default = match command {
        Command::Run { .. } => "info",
        Command::Dev { .. } => "info,faststream=warn,faststream_core=warn,faststream_kafka=warn",
        Command::List => "warn",
    };
    let (is_terminal, no_color) = (std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR"));
    let init = || {
        // The client library's own last words at the end of a client are told by the backend.
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new(format!("{default},rdkafka=off")));
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let logs = logs
            .log_internal_errors(false)
            .with_ansi(is_coloured(is_terminal, no_color.as_deref()))
            .with_target(false);
        // The program may have set up its own.
        let _ = logs.compact().try_init();
    };
    // The filter prints its own warnings.
    guarded(init);
}

/// Returns whether lines have colours: on a terminal, unless `NO_COLOR` is set and not empty
/// (<https://no-color.org>).
fn is_coloured(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_have_colours_on_a_terminal_unless_no_color_is_set() {
        for (is_terminal, no_color, coloured) in [
            (true, None, true),
            (true, Some(""), true),
            (true, Some("1"), false),
            (true, Some("0"), false),
            (false, None, false),
            (false, Some("1"), false),
        ] {
            assert_eq!(is_coloured(is_terminal, no_color.map(OsStr::new)), coloured, "{no_color:?}");
        }
    }
}

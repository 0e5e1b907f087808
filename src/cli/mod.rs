//! The command line of the generated `main`.
//!
//! | command | what it does | exit codes |
//! | --- | --- | --- |
//! | `run` (the default) | runs the app with its brokers | 0 clean, 1 not started, 2 drain time exceeded, 3 stopped or fatal, 130 second signal |
//! | `dev` | runs it on an in-memory broker, and prints what handlers do | as `run`; 2 wrong input, 4 a record was held or dead-lettered |
//! | `list` | prints the handlers | 0, or 1 for an app with faults |
//!
//! A wrong command line exits with 2 as well. `args` turns the arguments into a [`Command`], and `entry.rs`
//! carries it out. `dev` and `list` are here; `run` needs nothing of this folder but `logs` and `output`.
//!
//! Output has two channels. Log lines go to standard error, through `tracing`. What the user asked for (lines of
//! `dev`, the table of `list`) goes to standard output. Neither may end the process: readers go away, and disks
//! are full.

mod args;
mod dev;
mod hidden;
mod list;
mod logs;
mod output;
mod waiting;

pub(crate) use args::{Command, parse};
pub(crate) use dev::dev;
pub(crate) use list::list;
pub(crate) use logs::init_logs;
pub(crate) use output::{last_words, print_end};

//! The command line of the generated `main`.

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

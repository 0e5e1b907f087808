//! How does a program behave in a terminal and under signals? The generated `main`, as the processes that users start.

mod commands;
#[path = "../support/program.rs"]
mod program;
mod stuck;

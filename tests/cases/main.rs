//! Faults that people met: found by attack, by public bug reports, by new users. Each test proves the right outcome.
//!
//! Here are the ones that need no Kafka; those against a real one stand in `tests/kafka`.
#![allow(missing_docs, clippy::missing_panics_doc, clippy::print_stdout)]

mod attributes;
mod beyond_commits;
mod blocking;
mod captured;
mod copies;
mod deaths;
mod expired;
mod first_steps;
mod harness;
mod hooks;
mod log_lines;
mod logs;
mod plain;
#[path = "../support/program.rs"]
mod program;
mod refusals;
mod settings;
mod simulated_starts;
mod stops;
mod values;
mod warnings;

//! Against a real Apache Kafka: what is promised, with processes that are killed, stopped and restarted.
//!
//! Ignored by a plain `cargo test`, because they need Java and Maven: `cargo test --test kafka -- --ignored`.
#![allow(missing_docs, clippy::missing_panics_doc, clippy::print_stdout)]

mod broker;
mod client;
mod example;
mod handlers;
mod input;
mod orders;
mod origin;
mod proxy;
mod retry_topics;
mod service;
mod start;

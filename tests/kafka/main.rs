//! Against a real Apache Kafka: what is promised, with processes that are killed, stopped and restarted.
//!
//! Ignored by a plain `cargo test`, because they need Java and Maven: `cargo test --test kafka -- --ignored`.
#![allow(missing_docs, clippy::missing_panics_doc, clippy::print_stdout)]

mod acls;
mod batches;
mod behind_proxy;
#[path = "../support/broker.rs"]
mod broker;
mod brokers;
mod chaos;
#[path = "../support/client.rs"]
mod client;
mod commits;
mod credentials;
mod damaged;
mod endurance;
mod handlers;
mod input;
mod latest;
mod logs;
mod many;
mod members;
mod mock;
mod offset_fetch;
mod operations;
mod orders;
mod origin;
mod outage;
mod partitions;
mod plain;
mod process;
#[path = "../support/program.rs"]
mod program;
mod protocols;
mod provided;
mod proxy;
mod retry_topics;
mod rights;
mod service;
mod slow_commits;
mod start;
mod transactions;
mod wait;

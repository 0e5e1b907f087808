//! The parts of librdkafka that the safe `rdkafka` crate does not offer. The only place of the project with unsafe
//! code.
//!
//! | file | why the safe interface does not do |
//! | --- | --- |
//! | `handle` | dropping its client blocks, on whatever thread that happens |
//! | `queue`, `batch` | it reads one message at a time; batches of borrowed ones are 1.8 times as fast with 0.7 of the CPU |
//! | `client` | it has no position that counts transaction markers, and no event for an explicit commit |
//! | `events` | it busy-waits, allocates for each record, and does not show which records were one batch |
//! | `admin`, `answer` | it asks one partition at a time, and blocks until the answer |
//! | `headers` | it demands UTF-8 for the names of headers |
//!
//! Rules of this folder: every unsafe block has a SAFETY comment that names the owner and the lifetime; whatever
//! holds a pointer of a client also holds the client; no decision about records is made here.
#![allow(unsafe_code)]

mod admin;
mod answer;
mod batch;
mod client;
mod events;
mod handle;
mod headers;
#[cfg(test)]
mod properties;
mod queue;

pub(crate) use admin::{AdminQueue, End};
pub(crate) use answer::{Answer, TopicId};
pub(crate) use batch::{Batch, Corruption};
pub(crate) use client::{commit, committed_metadata, fatal_error, position, store_offset};
pub(crate) use events::{Delivered, Event, Events, Sent};
pub(crate) use handle::{ClientHandle, destroy};
pub(crate) use headers::add_header;
#[cfg(test)]
pub(crate) use properties::property_names;
pub(crate) use queue::{ConsumerQueue, PartitionQueue};

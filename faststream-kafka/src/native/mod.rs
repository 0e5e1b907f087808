//! What librdkafka offers in C only. The one place of the project with unsafe code.
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

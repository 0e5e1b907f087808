//! What librdkafka offers in C only. The one place of the project with unsafe code.
#![allow(unsafe_code)]

mod admin;
mod batch;
mod client;
mod headers;
mod queue;

pub(crate) use admin::{AdminQueue, End};
pub(crate) use batch::{Batch, Damage};
pub(crate) use client::{commit, fatal_error, position, store_offset};
pub(crate) use headers::add_header;
pub(crate) use queue::PartitionQueue;

//! What librdkafka offers in C only. The one place of the project with unsafe code.
#![allow(unsafe_code)]

mod headers;

pub(crate) use headers::add_header;

//! Adds headers whose names are bytes: Kafka promises no encoding, and the safe interface demands UTF-8.
//!
//! A retried record or a dead letter has to keep the headers of the original, whatever another client has written.

use std::ffi::{c_char, c_void};
use std::ptr;

use rdkafka::bindings::{rd_kafka_header_add, rd_kafka_headers_t};
use rdkafka::message::OwnedHeaders;
use rdkafka::types::RDKafkaRespErr;

/// Appends a header. The library copies name and value. A name may be empty, or occur several times.
///
/// `None` is a header without a value, which differs from an empty one.
pub(crate) fn add_header(headers: &OwnedHeaders, name: &[u8], value: Option<&[u8]>) {
    // The reference that `as_borrowed` returns is the native pointer itself.
    let native = ptr::from_ref(headers.as_borrowed()).cast::<rd_kafka_headers_t>().cast_mut();
    let length = |bytes: &[u8]| isize::try_from(bytes.len()).expect("a slice is not longer than isize::MAX");
    let (value, value_length) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), length(value)));
    // SAFETY: `native` is the live, writable list that `headers` owns, and nobody else has seen it: it is built here and
    // then moved into a record. Names and values are read within their lengths and copied before the call returns.
    let result = unsafe {
        rd_kafka_header_add(
            native,
            name.as_ptr().cast::<c_char>(),
            length(name),
            value.cast::<c_void>(),
            value_length,
        )
    };
    debug_assert_eq!(result, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, "a new list is writable");
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::*;

    #[test]
    fn nulls_empty_values_and_duplicates_stay_what_they_are() {
        let headers = OwnedHeaders::new();
        add_header(&headers, b"a", Some(b"1"));
        add_header(&headers, b"a", None);
        add_header(&headers, b"", Some(b""));
        let seen: Vec<_> = headers.iter().map(|header| (header.key, header.value)).collect();
        assert_eq!(seen, [("a", Some(&b"1"[..])), ("a", None), ("", Some(&b""[..]))]);
    }
}

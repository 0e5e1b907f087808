//! The names of all properties that the library has, for tests that have to visit each of them: whether each is
//! known to `names`, and whether its value may be printed.

use std::ffi::{CStr, c_char};

use rdkafka::bindings::{
    rd_kafka_conf_destroy, rd_kafka_conf_dump, rd_kafka_conf_dump_free, rd_kafka_conf_new,
    rd_kafka_topic_conf_destroy, rd_kafka_topic_conf_dump, rd_kafka_topic_conf_new,
};

/// The names of all properties of clients and topics that are neither aliases nor refused.
pub(crate) fn property_names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: both are made, dumped and destroyed here; the dumps are read before they are freed.
    unsafe {
        let mut count = 0;
        let client = rd_kafka_conf_new();
        let dump = rd_kafka_conf_dump(client, &raw mut count);
        read(dump, count, &mut names);
        rd_kafka_conf_destroy(client);
        let topic = rd_kafka_topic_conf_new();
        let dump = rd_kafka_topic_conf_dump(topic, &raw mut count);
        read(dump, count, &mut names);
        rd_kafka_topic_conf_destroy(topic);
    }
    names
}

/// Names and values in turn.
///
/// # Safety
/// `dump` has `count` entries, strings all of them, and is not used any more.
unsafe fn read(dump: *mut *const c_char, count: usize, names: &mut Vec<String>) {
    for index in (0..count).step_by(2) {
        // SAFETY: within the dump.
        let name = unsafe { CStr::from_ptr(*dump.add(index)) };
        names.push(name.to_string_lossy().into_owned());
    }
    // SAFETY: freed once.
    unsafe { rd_kafka_conf_dump_free(dump, count) };
}

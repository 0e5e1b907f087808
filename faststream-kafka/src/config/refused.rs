//! Properties that nobody may set: the guarantees stand on them, or the framework decides them elsewhere.

use super::names::canonical;

/// A property, why it is refused, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    (
        "enable.auto.commit",
        "what handlers finished is committed by faststream, and nothing else; choose with `ack = ...` and `commit = ...` of the \
         subscriber",
    ),
    (
        "enable.auto.offset.store",
        "an offset counts once its record is finished, not when it was fetched; choose with `ack = ...` of the subscriber",
    ),
    (
        "auto.commit.interval.ms",
        "the interval also bounds what is delivered again; set it with `GroupSettings::commit_interval`",
    ),
    ("enable.partition.eof", "ends of partitions would be counted as records; lag is told by the metrics"),
    ("offset.store.method", "offsets are kept by the brokers"),
    ("offset.store.path", "offsets are kept by the brokers"),
    ("group.id", "the group is the app's name; set it with `group = ...` of the subscriber or KAFKA_GROUP"),
    ("transactional.id", "this version publishes without transactions"),
    ("delivery.report.only.error", "a record counts as published when the broker confirmed it"),
    ("enabled_events", "the client's events are read by faststream, which decides which ones it needs"),
    ("log.queue", "the client's log lines are passed on by faststream"),
];

/// Why `name` must not be set, and what to do instead.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let name = canonical(name);
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
}

/// Properties of which some values are refused, why, and what to do instead.
const REFUSED_VALUES: &[(&str, &[&str], &str)] = &[
    (
        "auto.offset.reset",
        &["latest", "largest", "end"],
        "records would be passed over where a log was cut; for a new group that begins behind what is there, use \
         `start = Latest` of the subscriber",
    ),
    (
        "queuing.strategy",
        &["lifo"],
        "results would be published in another order than they were returned in; remove it",
    ),
];

/// Why this value of `name` must not be set, and what to do instead.
pub(super) fn refused_value(name: &str, value: &str) -> Option<&'static str> {
    let name = canonical(name);
    let is_refused =
        |values: &[&str]| values.iter().any(|refused| refused.eq_ignore_ascii_case(value.trim()));
    let found = REFUSED_VALUES.iter().find(|(refused, values, _)| *refused == name && is_refused(values));
    found.map(|(_, _, reason)| *reason)
}

//! Properties that nobody may set: the guarantees depend on them, or faststream has a setting of its own for them.
//!
//! `check` refuses them with the reason; `clients` leaves them out when it creates a client. To refuse one more,
//! add it here with the text that tells the user what to use instead: every reason ends the sentence "must not be
//! set: ...", or "the value ... is refused: ...".

use super::names::canonical;

/// Canonical name, and why it is refused with what to use instead: the end of the sentence "must not be set: ...".
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

/// Returns why `name` must not be set, and what to use instead; `None` if it may be set. Aliases count, too.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let name = canonical(name);
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
}

/// Canonical name, the values that are refused, and why. Other values of the property are allowed.
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

/// Returns why this value of `name` must not be set, and what to use instead. Case and surrounding spaces do not
/// count.
pub(super) fn refused_value(name: &str, value: &str) -> Option<&'static str> {
    let name = canonical(name);
    let is_refused =
        |values: &[&str]| values.iter().any(|refused| refused.eq_ignore_ascii_case(value.trim()));
    let found = REFUSED_VALUES.iter().find(|(refused, values, _)| *refused == name && is_refused(values));
    found.map(|(_, _, reason)| *reason)
}

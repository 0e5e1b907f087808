//! The message for a key that `#[subscriber]` does not have: what it is called here, if it is known from elsewhere.

use super::settings::KEYS;

/// Returns the message for a key that does not exist: what it is called here, else the key that differs in at most
/// two letters, else the list of keys.
///
/// The words of other frameworks come first, because they have an exact answer with the form of the value.
pub(super) fn message(unknown: &str) -> String {
    if let Some(meant) = elsewhere(unknown) {
        return format!("`subscriber` has no `{unknown}`: {meant}");
    }
    let names = KEYS.split("`, `").map(|name| name.trim_matches('`'));
    let close = names.min_by_key(|name| distance(name, unknown)).filter(|name| distance(name, unknown) <= 2);
    match close {
        Some(name) => format!("`subscriber` has no `{unknown}`: did you mean `{name}`?"),
        None => format!("`subscriber` has no `{unknown}`: it takes {KEYS}"),
    }
}

/// Returns what other frameworks call a setting, and which of ours it is; `None` for an unknown word.
///
/// The words are those of other Kafka clients and frameworks (`group_id`, `dlq`, `max_poll_records`). Settings
/// that are planned and not built are answered as such, so that nobody looks for them in vain.
fn elsewhere(unknown: &str) -> Option<&'static str> {
    Some(match unknown {
        "group_id" | "groupid" | "group_name" | "consumer_group" | "consumer_group_id" | "consumer" => {
            "did you mean `group`?"
        }
        "dlq" | "dlt" | "dlq_topic" | "dlt_topic" | "dead_letter_topic" | "dead_letter_queue"
        | "dead_letters" | "error_topic" => "did you mean `dead_letter`?",
        "retries" | "max_retries" | "retry_count" | "max_attempts" | "attempts" | "retry_attempts" => {
            "did you mean `retry(attempts = 3)`?"
        }
        "backoff" | "retry_backoff" | "retry_delay" | "retry_backoff_ms" | "delay" => {
            "did you mean `retry(backoff = \"200ms..10s\")`?"
        }
        "retry_topic" | "retry_topics" => "did you mean `retry(topics = [\"10s\", \"1m\"])`?",
        "auto_offset_reset" | "offset_reset" | "initial_offset" | "from_beginning" | "starting_offset" => {
            "did you mean `start = Earliest` or `start = Latest`?"
        }
        "max_workers" | "workers" | "num_workers" | "parallelism" | "max_concurrency" | "concurrent"
        | "threads" | "prefetch" => "did you mean `concurrency`? it needs `order = Key` or `order = None`",
        "ack_policy" | "ack_mode" | "no_ack" | "auto_ack" | "manual_ack" => {
            "did you mean `ack`? it is `NackOnError`, `RejectOnError`, `Ack`, `AckFirst` or `Manual`"
        }
        "auto_commit" | "enable_auto_commit" | "commit_mode" => {
            "what is finished is committed by itself: `ack` says when that is, `commit = Each` after each record"
        }
        "topic_name" | "queue" | "channel" | "subject" | "from_topic" => "did you mean `topic`?",
        "topic_pattern" | "regex" | "topic_regex" => "did you mean `pattern`?",
        "filter_by" | "filters" | "predicate" => {
            "`filter` is not built yet: decide in the handler, and return `Verdict::Skip`"
        }
        "batch_size" | "max_records" | "max_poll_records" => {
            "`batch` is not built yet: a handler takes one record"
        }
        "middlewares" | "middleware" | "interceptors" => "middleware is not built yet",
        "key_deserializer" | "value_deserializer" | "deserializer" | "decoder" | "codec" | "schema"
        | "parser" => {
            "the argument's type says how a record is read: a `Deserialize` type is JSON, `Text`, `Raw`, `Key<T>`, ..."
        }
        "bootstrap_servers" | "brokers" | "servers" => {
            "the app has the broker: `FastStream::new(Kafka::new(\"localhost:9092\"))`"
        }
        "session_timeout_ms"
        | "heartbeat_interval_ms"
        | "max_poll_interval_ms"
        | "fetch_max_bytes"
        | "client_id"
        | "max_partition_fetch_bytes"
        | "fetch_min_bytes"
        | "fetch_max_wait_ms"
        | "isolation_level" => {
            "properties of the client are the broker's: `KafkaConfig::property(\"session.timeout.ms\", ..)`"
        }
        "title" | "description" | "name" => {
            "a handler is described by its doc comment, and called by its function's name"
        }
        _ => return None,
    })
}

/// Returns how many letters have to change (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

//! The settings of `#[subscriber(...)]`, from tokens to types.

use proc_macro2::{Ident, TokenStream as Tokens};
use quote::ToTokens;
use syn::{LitInt, LitStr, Path};

use crate::errors::Errors;
use crate::list::{Choice, Entry, Value, entries};
use crate::text::{self, Text};

pub(super) const KEYS: &str = "`topic`, `topics`, `pattern`, `group`, `broker`, `ack`, `retry`, `on_error`, \
                               `dead_letter`, `on_decode_error`, `order`, `concurrency`, `commit`, `start`, \
                               `timeout`, `drain`, `enabled`, `crate`";

/// What was written; `None` was not.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) source: Option<Source>,
    pub(super) group: Option<Text>,
    pub(super) broker: Option<Text>,
    pub(super) ack: Option<(Ident, Choice)>,
    pub(super) retry: Option<(Ident, Retry)>,
    pub(super) on_error: Option<(Ident, Choice)>,
    pub(super) dead_letter: Option<(Ident, Text)>,
    pub(super) on_decode_error: Option<(Ident, Choice)>,
    pub(super) order: Option<(Ident, Choice)>,
    pub(super) concurrency: Option<(Ident, LitInt, u32)>,
    pub(super) commit: Option<(Ident, Choice)>,
    pub(super) start: Option<(Ident, Choice)>,
    pub(super) timeout: Option<Text>,
    pub(super) drain: Option<Text>,
    pub(super) enabled: Option<Text>,
    pub(super) krate: Option<Path>,
}

pub(super) enum Source {
    Topics(Vec<Text>),
    Pattern(Text),
}

#[derive(Default)]
pub(super) struct Retry {
    pub(super) attempts: Option<LitInt>,
    pub(super) backoff: Option<Text>,
    /// The delays of its retry topics.
    pub(super) topics: Option<(Ident, Vec<LitStr>)>,
}

const ACK: &[&str] = &["NackOnError", "RejectOnError", "Ack", "AckFirst", "Manual"];
const ON_ERROR: &[&str] = &["Hold", "DeadLetter", "Skip", "Stop"];
const ORDER: &[&str] = &["Partition", "Key", "None"];
const COMMIT: &[&str] = &["Periodic", "Each"];
const START: &[&str] = &["Earliest", "Latest"];

pub(super) fn read(args: Tokens, errors: &mut Errors) -> Settings {
    let mut settings = Settings::default();
    for entry in entries(args, "#[subscriber(topic = \"orders\")]", errors) {
        settings.take(&entry, errors);
    }
    settings
}

impl Settings {
    fn take(&mut self, entry: &Entry, errors: &mut Errors) {
        let key = || entry.key.clone();
        match entry.key.to_string().as_str() {
            "topic" => {
                let topic = errors.keep(checked(entry, "orders", text::topic)).map(|topic| vec![topic]);
                self.read_from(entry, topic.map(Source::Topics), errors);
            }
            "topics" => {
                let topics = errors.keep(entry.texts("[\"a\", \"b\"]")).map(|topics| {
                    topics.into_iter().filter_map(|topic| errors.keep(topic.checked(text::topic))).collect()
                });
                self.read_from(entry, topics.map(Source::Topics), errors);
            }
            "pattern" => {
                let pattern = errors.keep(checked(entry, "^logs\\\\.", |text| text::name(text, "a pattern")));
                self.read_from(entry, pattern.map(Source::Pattern), errors);
            }
            "group" => {
                self.group = errors.keep(checked(entry, "billing", |text| text::name(text, "a group")));
            }
            "broker" => {
                self.broker = errors.keep(checked(entry, "analytics", |text| text::name(text, "a broker")));
            }
            "dead_letter" => {
                let topic = errors.keep(checked(entry, "orders-dlt", text::topic));
                self.dead_letter = topic.map(|topic| (key(), topic));
            }
            "timeout" => self.timeout = errors.keep(checked(entry, "30s", text::duration)),
            "drain" => self.drain = errors.keep(checked(entry, "5s", text::duration)),
            "enabled" => {
                let check = |text: &LitStr| text::variables(text).map(drop);
                self.enabled = errors.keep(checked(entry, "${BILLING:true}", check));
            }
            "crate" => {
                let path = entry.literal("faststream").and_then(|text| text.parse());
                self.krate = errors.keep(path);
            }
            "concurrency" => {
                let number = errors.keep(entry.number());
                self.concurrency = number.map(|(literal, number)| (key(), literal, number));
            }
            "retry" => self.retry = retry(entry, errors).map(|retry| (key(), retry)),
            "ack" => self.ack = errors.keep(entry.choice("AckPolicy", ACK)).map(|ack| (key(), ack)),
            "on_error" => {
                self.on_error = errors.keep(entry.choice("OnError", ON_ERROR)).map(|choice| (key(), choice));
            }
            "on_decode_error" => {
                self.on_decode_error =
                    errors.keep(entry.choice("OnError", ON_ERROR)).map(|choice| (key(), choice));
            }
            "order" => self.order = errors.keep(entry.choice("Order", ORDER)).map(|order| (key(), order)),
            "start" => self.start = errors.keep(entry.choice("Start", START)).map(|start| (key(), start)),
            "commit" => self.commit(entry, errors),
            "batch" | "filter" | "header" | "reply" => {
                errors.at(&entry.key, format!("`{}` is not built yet: remove it", entry.key));
            }
            unknown => errors.at(&entry.key, unknown_key(unknown)),
        }
    }

    fn read_from(&mut self, entry: &Entry, source: Option<Source>, errors: &mut Errors) {
        let Some(source) = source else {
            // It was tried: nothing more is said about a missing one.
            self.source.get_or_insert(Source::Topics(Vec::new()));
            return;
        };
        if self.source.replace(source).is_some() {
            errors.at(
                &entry.key,
                "a subscriber reads by one of `topic`, `topics` and `pattern`: remove the others",
            );
        }
    }

    fn commit(&mut self, entry: &Entry, errors: &mut Errors) {
        if let Value::Is(value) = &entry.value
            && value.to_token_stream().to_string() == "Transaction"
        {
            return errors.at(value, "`commit = Transaction` is not built yet: use `Periodic` or `Each`");
        }
        self.commit = errors.keep(entry.choice("Commit", COMMIT)).map(|commit| (entry.key.clone(), commit));
    }
}

fn checked(
    entry: &Entry,
    example: &str,
    check: impl FnOnce(&LitStr) -> syn::Result<()>,
) -> syn::Result<Text> {
    entry.text(example)?.checked(check)
}

fn retry(entry: &Entry, errors: &mut Errors) -> Option<Retry> {
    let Value::List(tokens) = &entry.value else {
        errors.at(&entry.key, "`retry` takes a list: `retry(attempts = 5, backoff = \"200ms..10s\")`");
        return None;
    };
    let mut retry = Retry::default();
    let mut any = false;
    for entry in entries(tokens.clone(), "retry(attempts = 5)", errors) {
        any = true;
        match entry.key.to_string().as_str() {
            "attempts" => retry.attempts = errors.keep(entry.number()).map(|(literal, _)| literal),
            "backoff" => retry.backoff = errors.keep(checked(&entry, "200ms..10s", text::backoff)),
            "topics" => retry.topics = delays(&entry, errors).map(|delays| (entry.key.clone(), delays)),
            unknown => {
                let message =
                    format!("`retry` has no `{unknown}`: it takes `attempts`, `backoff` and `topics`");
                errors.at(&entry.key, message);
            }
        }
    }
    if !any {
        errors.at(
            &entry.key,
            "`retry()` is empty: write `retry(attempts = 5, backoff = \"200ms..10s\")`, or remove it",
        );
    }
    Some(retry)
}

/// `topics = ["10s", "1m"]`: each once, and as it is to be read in the topic's name.
fn delays(entry: &Entry, errors: &mut Errors) -> Option<Vec<LitStr>> {
    let delays = errors.keep(entry.literals("[\"10s\", \"1m\", \"10m\"]"))?;
    for (index, delay) in delays.iter().enumerate() {
        if errors.keep(text::delay(delay)).is_none() {
            continue;
        }
        if delays[..index].iter().any(|earlier| earlier.value() == delay.value()) {
            let message = format!("`{}` is named twice, and would be one topic: remove one", delay.value());
            errors.at(delay, message);
        }
    }
    Some(delays)
}

fn unknown_key(unknown: &str) -> String {
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

/// What other frameworks call a setting.
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

/// How many letters have to change (Levenshtein).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_row_in_the_reference() {
        let rows: Vec<_> = include_str!("../reference/subscriber.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|row| row.split(|letter: char| letter != '_' && !letter.is_alphabetic()).next())
            .collect();
        let keys: Vec<_> = KEYS.split(", ").map(|key| key.trim_matches('`')).collect();
        let missing: Vec<_> = keys.iter().filter(|key| !rows.contains(key)).collect();
        assert!(missing.is_empty(), "without a row: {missing:?}");
        let unknown: Vec<_> = rows.iter().filter(|row| !keys.contains(row)).collect();
        assert!(unknown.is_empty(), "no keys: {unknown:?}");
    }
}

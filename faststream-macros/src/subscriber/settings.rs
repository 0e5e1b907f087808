//! The settings of `#[subscriber(...)]`, from tokens to types.
//!
//! To add a setting:
//!
//! 1. its key in [`KEYS`], and a row in `reference/subscriber.md` (a test compares the keys and the rows);
//! 2. a field in [`Settings`], and a case in `Settings::take` that reads it with the method of `Entry` for its
//!    form;
//! 3. a field of `SubscriberDef` in `faststream-core`, and its value in `constant::generate`;
//! 4. a rule in `rules`, if it excludes another setting;
//! 5. what other frameworks call it, in `elsewhere`.
//!
//! No default is known here: `None` reaches the startup, which takes the app's setting for all handlers, then
//! faststream's.

use proc_macro2::{Ident, TokenStream as Tokens};
use quote::ToTokens;
use syn::{LitInt, LitStr, Path};

use super::unknown_key;
use crate::errors::Errors;
use crate::list::{Choice, Entry, Value, entries};
use crate::text::{self, Text};

/// All keys, as the message about an unknown one lists them.
pub(super) const KEYS: &str = "`topic`, `topics`, `pattern`, `group`, `broker`, `ack`, `retry`, `on_error`, \
                               `dead_letter`, `on_decode_error`, `order`, `concurrency`, `commit`, `start`, \
                               `timeout`, `drain`, `enabled`, `crate`";

/// The settings as they were written; `None` for those that were not. The defaults that the fields name are
/// applied at startup.
///
/// Where a rule may have to point to the key, the key is kept beside the value.
#[derive(Default)]
pub(super) struct Settings {
    /// `topic`, `topics` or `pattern`. An empty list if it was written but not understood, so that a missing one
    /// is not reported, too.
    pub(super) source: Option<Source>,
    /// The consumer group, `group = "billing"`. Default: the app's name.
    pub(super) group: Option<Text>,
    /// The name of one of the app's brokers, `broker = "analytics"`. Default: its default broker.
    pub(super) broker: Option<Text>,
    /// When a record is finished, and what an error means: a variant of `AckPolicy`. Default: the app's, else
    /// `NackOnError`.
    pub(super) ack: Option<(Ident, Choice)>,
    /// Attempts, pauses and retry topics. Default: the app's, else 5 attempts with pauses of 1 to 30 s.
    pub(super) retry: Option<(Ident, Retry)>,
    /// What happens after the last attempt: a variant of `OnError`. Default: the app's, else `Hold`; `Skip` with
    /// `ack = RejectOnError`.
    pub(super) on_error: Option<(Ident, Choice)>,
    /// The dead-letter topic. Means `on_error = DeadLetter`. Default: the app's, else `{topic}-dlt`.
    pub(super) dead_letter: Option<(Ident, Text)>,
    /// What happens to a record that cannot be decoded, which is never retried. Default: as `on_error`.
    pub(super) on_decode_error: Option<(Ident, Choice)>,
    /// Which records of a partition are handled one after another: a variant of `Order`. Default: `Partition`, all
    /// of them.
    pub(super) order: Option<(Ident, Choice)>,
    /// How many calls of a partition run at a time: the literal for the constant, the number for the rules.
    /// Default: 1, or 16 if `order` allows several.
    pub(super) concurrency: Option<(Ident, LitInt, u32)>,
    /// When finished offsets are committed: a variant of `Commit`. Default: `Periodic`, each second.
    pub(super) commit: Option<(Ident, Choice)>,
    /// Where a group without committed offsets begins: a variant of `Start`. Default: `Earliest`.
    pub(super) start: Option<(Ident, Choice)>,
    /// How long one call may take, `timeout = "30s"`. Default: no limit; a warning is logged after 10 s.
    pub(super) timeout: Option<Text>,
    /// How long running calls may continue at a shutdown or a revocation, `drain = "5s"`. Default: the app's, else
    /// 5 s.
    pub(super) drain: Option<Text>,
    /// Whether the handler runs, usually a variable: `enabled = "${BILLING:true}"`. Default: it runs.
    pub(super) enabled: Option<Text>,
    /// The path of the `faststream` crate, if it was renamed in `Cargo.toml`. Default: `::faststream`.
    pub(super) krate: Option<Path>,
}

/// What a handler reads.
pub(super) enum Source {
    /// These topics, at least one if there was no mistake.
    Topics(Vec<Text>),
    /// Every topic whose name matches this regular expression.
    Pattern(Text),
}

/// The list of `retry(...)`; `None` for what was left out.
#[derive(Default)]
pub(super) struct Retry {
    /// How many times a record is handled in place, the first time included.
    pub(super) attempts: Option<LitInt>,
    /// The first and the longest pause between attempts in place.
    pub(super) backoff: Option<Text>,
    /// The delays of its retry topics, with the key. Literals, because the topics are named by them.
    pub(super) topics: Option<(Ident, Vec<LitStr>)>,
}

/// The names of `ack`, as in `AckPolicy`.
const ACK: &[&str] = &["NackOnError", "RejectOnError", "Ack", "AckFirst", "Manual"];
/// The names of `on_error` and `on_decode_error`, as in `OnError`.
const ON_ERROR: &[&str] = &["Hold", "DeadLetter", "Skip", "Stop"];
/// The names of `order`, as in `Order`.
const ORDER: &[&str] = &["Partition", "Key", "None"];
/// The names of `commit`, as in `Commit`.
const COMMIT: &[&str] = &["Periodic", "Each"];
/// The names of `start`, as in `Start`.
const START: &[&str] = &["Earliest", "Latest"];

/// Reads the attribute's list. Mistakes go to `errors`, and the setting is `None` then.
pub(super) fn read(args: Tokens, errors: &mut Errors) -> Settings {
    let mut settings = Settings::default();
    for entry in entries(args, "#[subscriber(topic = \"orders\")]", errors) {
        settings.take(&entry, errors);
    }
    settings
}

impl Settings {
    /// Reads one entry into its field. The value's text is checked by the functions of `crate::text`, its form by
    /// the methods of `Entry`; only the keys are decided here. Keys that are planned and not built have an answer
    /// of their own.
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
            unknown => errors.at(&entry.key, unknown_key::message(unknown)),
        }
    }

    /// Sets what the handler reads; `source` is `None` if the entry was wrong. A second source is a mistake,
    /// reported at its key.
    ///
    /// After a wrong entry the source is an empty list, which is never printed: the mistake ends the expansion.
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

    /// Reads `commit`. `Transaction` is planned and not built, so it has an answer of its own instead of the list
    /// of names.
    fn commit(&mut self, entry: &Entry, errors: &mut Errors) {
        if let Value::Is(value) = &entry.value
            && value.to_token_stream().to_string() == "Transaction"
        {
            return errors.at(value, "`commit = Transaction` is not built yet: use `Periodic` or `Each`");
        }
        self.commit = errors.keep(entry.choice("Commit", COMMIT)).map(|commit| (entry.key.clone(), commit));
    }
}

/// Reads a text and checks it. `example` is a right value, for the message.
fn checked(
    entry: &Entry,
    example: &str,
    check: impl FnOnce(&LitStr) -> syn::Result<()>,
) -> syn::Result<Text> {
    entry.text(example)?.checked(check)
}

/// Reads `retry(attempts = 5, backoff = "200ms..10s", topics = ["10s", "1m"])`. An empty list is a mistake, as it
/// changes nothing.
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

/// Reads `topics = ["10s", "1m"]`: each delay once, in the form in which it becomes part of a topic's name.
/// `["60s", "1m"]` is allowed, and makes two topics.
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

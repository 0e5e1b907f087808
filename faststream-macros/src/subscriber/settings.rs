//! The settings of `#[subscriber(...)]`, from tokens to types.

use proc_macro2::{Ident, TokenStream as Tokens};
use syn::{LitInt, LitStr, Path};

use crate::errors::Errors;
use crate::list::{Choice, Entry, Value, entries};
use crate::text;

pub(super) const KEYS: &str = "`topic`, `topics`, `pattern`, `group`, `broker`, `ack`, `retry`, `on_error`, \
                               `dead_letter`, `on_decode_error`, `order`, `concurrency`, `commit`, `start`, \
                               `timeout`, `drain`, `enabled`, `crate`";

/// What was written; `None` was not.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) source: Option<Source>,
    pub(super) group: Option<LitStr>,
    pub(super) broker: Option<LitStr>,
    pub(super) ack: Option<(Ident, Choice)>,
    pub(super) retry: Option<(Ident, Retry)>,
    pub(super) on_error: Option<(Ident, Choice)>,
    pub(super) dead_letter: Option<(Ident, LitStr)>,
    pub(super) on_decode_error: Option<(Ident, Choice)>,
    pub(super) order: Option<(Ident, Choice)>,
    pub(super) concurrency: Option<(Ident, LitInt, u32)>,
    pub(super) commit: Option<(Ident, Choice)>,
    pub(super) start: Option<(Ident, Choice)>,
    pub(super) timeout: Option<LitStr>,
    pub(super) drain: Option<LitStr>,
    pub(super) enabled: Option<LitStr>,
    pub(super) krate: Option<Path>,
}

pub(super) enum Source {
    Topics(Vec<LitStr>),
    Pattern(LitStr),
}

#[derive(Default)]
pub(super) struct Retry {
    pub(super) attempts: Option<LitInt>,
    pub(super) backoff: Option<LitStr>,
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
    for entry in entries(args, errors) {
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
                let topics = errors.keep(entry.texts("[\"a\", \"b\"]"));
                for topic in topics.iter().flatten() {
                    errors.keep(text::topic(topic));
                }
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
                let path = entry.text("faststream").and_then(|text| text.parse());
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
        if let Value::Is(tokens) = &entry.value
            && tokens.to_string() == "Transaction"
        {
            return errors.at(tokens, "`commit = Transaction` is not built yet: use `Periodic` or `Each`");
        }
        self.commit = errors.keep(entry.choice("Commit", COMMIT)).map(|commit| (entry.key.clone(), commit));
    }
}

fn checked(
    entry: &Entry,
    example: &str,
    check: impl FnOnce(&LitStr) -> syn::Result<()>,
) -> syn::Result<LitStr> {
    let text = entry.text(example)?;
    check(&text)?;
    Ok(text)
}

fn retry(entry: &Entry, errors: &mut Errors) -> Option<Retry> {
    let Value::List(tokens) = &entry.value else {
        errors.at(&entry.key, "`retry` takes a list: `retry(attempts = 5, backoff = \"200ms..10s\")`");
        return None;
    };
    let mut retry = Retry::default();
    let mut any = false;
    for entry in entries(tokens.clone(), errors) {
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
    let delays = errors.keep(entry.texts("[\"10s\", \"1m\", \"10m\"]"))?;
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
    let names = KEYS.split("`, `").map(|name| name.trim_matches('`'));
    let close = names.min_by_key(|name| distance(name, unknown)).filter(|name| distance(name, unknown) <= 2);
    match close {
        Some(name) => format!("`subscriber` has no `{unknown}`: did you mean `{name}`?"),
        None => format!("`subscriber` has no `{unknown}`: it takes {KEYS}"),
    }
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

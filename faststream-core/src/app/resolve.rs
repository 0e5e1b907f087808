//! Resolves the settings of a subscriber as it was written.
//!
//! The only place that knows the precedence of settings: subscriber, app, built-in. The app's settings are defaults and
//! are ignored where they do not apply. The subscriber's own settings must apply (`rules`).

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::builder::Defaults;
use super::rules;
use super::{Environment, StartupFault};
use crate::policy::{AckPolicy, OnError, Order, Retry, limits, parse_duration};
use crate::subscriber::{RetryTopic, Source, SourceDef, Subscriber, SubscriberDef};
use crate::topic_name;

/// Concurrent calls in one partition, where their order allows more than one.
const CONCURRENCY: u32 = 16;
/// The longest text of Kafka's protocol, in bytes.
const LONGEST_TEXT: usize = 32_767;

/// The inputs with which all subscribers of an app are resolved.
pub(super) struct Resolver<'a> {
    pub(super) environment: &'a Environment,
    pub(super) defaults: &'a Defaults,
    /// The group of subscribers without one.
    pub(super) group: Option<&'a str>,
}

/// One subscriber being read. Faults are noted, and reading continues.
struct Reader<'a> {
    def: &'static SubscriberDef,
    environment: &'a Environment,
    faults: &'a mut Vec<StartupFault>,
}

impl Resolver<'_> {
    /// Returns whether the subscriber is enabled, for checks of subscribers that have other faults, too. `resolve`
    /// reports those faults.
    pub(super) fn is_enabled(&self, def: &'static SubscriberDef) -> bool {
        Reader { def, environment: self.environment, faults: &mut Vec::new() }.enabled()
    }

    /// Returns the broker that the subscriber selects, for the same checks.
    pub(super) fn broker(&self, def: &'static SubscriberDef) -> Option<String> {
        let mut faults = Vec::new();
        let mut reader = Reader { def, environment: self.environment, faults: &mut faults };
        def.broker.and_then(|text| reader.text("broker", text))
    }

    /// Returns the subscriber with all settings resolved; `None` if it is disabled or has a fault.
    pub(super) fn resolve(
        &self,
        def: &'static SubscriberDef,
        faults: &mut Vec<StartupFault>,
    ) -> Option<Subscriber> {
        let before = faults.len();
        let mut reader = Reader { def, environment: self.environment, faults };
        if !reader.enabled() {
            return None;
        }
        let source = reader.source();
        let group = reader.group(self.group);
        let broker = def.broker.and_then(|text| reader.text("broker", text));
        let dead_letter = def.dead_letter.and_then(|text| reader.topic("dead_letter", text));
        let timeout = def.timeout.and_then(|text| reader.parsed("timeout", text, parse_duration));
        let drain = def.drain.and_then(|text| reader.parsed("drain", text, parse_duration));
        let retry = reader.retry(self.defaults.retry);
        let retry_topics = reader.retry_topics(source.as_ref(), group.as_deref());
        let publishes: Vec<_> =
            def.publishers.iter().filter_map(|def| reader.topic("publisher", def.topic)).collect();

        let ack = def.ack.or(self.defaults.ack).unwrap_or_default();
        let (on_error, on_decode_error) = self.on_error(def, ack);
        let gives_up = [on_error, on_decode_error].contains(&OnError::DeadLetter);
        let of_app = self.defaults.dead_letter.as_ref().filter(|_| gives_up);
        let dead_letter = dead_letter.or_else(|| of_app.cloned());
        let order = def.order.unwrap_or_default();
        let concurrency = def.concurrency.unwrap_or(if order == Order::Partition { 1 } else { CONCURRENCY });
        rules::check(def, ack, order, timeout, faults);
        if faults.len() > before {
            return None;
        }
        Some(Subscriber {
            def,
            handler: def.name.into(),
            group: group?,
            broker: broker.map(Into::into),
            source: source?,
            start: def.start.unwrap_or_default(),
            ack,
            retry: if retries(ack) { retry? } else { Retry::attempts(1) },
            retry_topics: retry_topics?.into(),
            on_error,
            on_decode_error,
            dead_letter,
            order,
            concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
            commit: def.commit.unwrap_or_default(),
            timeout,
            drain: drain.unwrap_or(self.defaults.group_settings.drain),
            publishes: publishes.into(),
        })
    }

    fn on_error(&self, def: &SubscriberDef, ack: AckPolicy) -> (OnError, OnError) {
        let named = def.dead_letter.map(|_| OnError::DeadLetter);
        let built_in = if retries(ack) { OnError::Hold } else { OnError::Skip };
        let by_app = self.defaults.dead_letter.as_ref().map(|_| OnError::DeadLetter);
        let of_app = self.defaults.on_error.or(by_app).filter(|_| gives_up(ack));
        let on_error = def.on_error.or(named).or(of_app).unwrap_or(built_in);
        (on_error, def.on_decode_error.unwrap_or(on_error))
    }
}

/// Returns whether a failed record is retried under this policy.
pub(super) fn retries(ack: AckPolicy) -> bool {
    matches!(ack, AckPolicy::NackOnError | AckPolicy::Manual)
}

/// Returns whether this policy can give up on a record. The other policies finish it whatever happens.
pub(super) fn gives_up(ack: AckPolicy) -> bool {
    retries(ack) || ack == AckPolicy::RejectOnError
}

impl Reader<'_> {
    fn fault(&mut self, message: impl Into<String>) {
        self.faults.push(StartupFault::of_handler(self.def, message));
    }

    /// Returns the text with its variables replaced.
    fn text(&mut self, key: &str, text: &str) -> Option<String> {
        match self.environment.expand(text) {
            Ok(expanded) => Some(expanded),
            Err(error) => {
                self.fault(format!("`{key} = \"{text}\"`: {error}"));
                None
            }
        }
    }

    fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let expanded = self.text(key, text)?;
        match parse(&expanded) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(format!("`{key} = \"{text}\"`: {error}"));
                None
            }
        }
    }

    fn topic(&mut self, key: &str, text: &str) -> Option<Arc<str>> {
        self.parsed(key, text, |name| check_topic(name).map(|()| name.into()))
    }

    fn enabled(&mut self) -> bool {
        let Some(text) = self.def.enabled else { return true };
        let parse = |value: &str| match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(format!("`{value}` is neither `true` nor `false`")),
        };
        self.parsed("enabled", text, parse).unwrap_or(false)
    }

    fn source(&mut self) -> Option<Source> {
        match self.def.source {
            SourceDef::Pattern(text) => {
                let parse = |pattern: &str| match pattern {
                    "" => {
                        Err("an empty pattern would read every topic: write `.*` if that is meant".to_owned())
                    }
                    pattern => Regex::new(pattern).map_err(|error| pattern_error(&error)),
                };
                self.parsed("pattern", text, parse).map(|pattern| Source::Pattern(Arc::new(pattern)))
            }
            SourceDef::Topics(texts) => {
                let key = if texts.len() == 1 { "topic" } else { "topics" };
                let mut topics: Vec<Arc<str>> = Vec::new();
                for text in texts {
                    let Some(topic) = self.topic(key, text) else { continue };
                    if topics.contains(&topic) {
                        self.fault(format!("`{topic}` is named twice in `topics`: remove one"));
                    }
                    topics.push(topic);
                }
                (topics.len() == texts.len()).then_some(Source::Topics(topics))
            }
        }
    }

    fn group(&mut self, of_app: Option<&str>) -> Option<Arc<str>> {
        let Some(text) = self.def.group else {
            if of_app.is_none() {
                self.fault(
                    "has no consumer group: write `group = \"...\"`, or name the app (`FastStream::name`, or \
                     `#[faststream::main]`, which takes the package's name)",
                );
            }
            return of_app.map(Into::into);
        };
        self.parsed("group", text, |group| check_name(group, "a group").map(|()| Arc::from(group)))
    }

    fn retry(&mut self, of_app: Option<Retry>) -> Option<Retry> {
        let Some(def) = self.def.retry else { return Some(of_app.unwrap_or_default()) };
        // With retry topics, the pauses are in them.
        let built_in = || if def.topics.is_empty() { Retry::default() } else { Retry::attempts(1) };
        let base = of_app.unwrap_or_else(built_in);
        let retry = def.attempts.map_or(base, |attempts| base.with_attempts(attempts));
        let Some(text) = def.backoff else { return Some(retry) };
        let retry = self.parsed("backoff", text, |text| retry.parse_backoff(text))?;
        // Attempts are checked with the other rules.
        for fault in limits::retry_faults(&retry.with_attempts(1)) {
            self.fault(format!("`backoff = \"{text}\"`: {fault}"));
        }
        Some(retry)
    }

    /// Returns the retry topics; `None` if one of them cannot exist, or if the sources or the group are unknown.
    fn retry_topics(&mut self, source: Option<&Source>, group: Option<&str>) -> Option<Vec<RetryTopic>> {
        let texts = self.def.retry.map(|retry| retry.topics).unwrap_or_default();
        if texts.is_empty() {
            return Some(Vec::new());
        }
        let mut delays = Vec::new();
        for text in texts {
            match parse_duration(text) {
                Ok(delay) => {
                    if let Some(fault) = limits::delay_fault(delay) {
                        self.fault(format!("`retry(topics = [\"{text}\"])`: {fault}"));
                    }
                    delays.push((*text, delay));
                }
                Err(error) => self.fault(format!("`retry(topics)`: {error}")),
            }
        }
        let (Some(Source::Topics(names)), Some(group)) = (source, group) else { return None };
        let topics = RetryTopic::all(names, group, &delays);
        for topic in &topics {
            if let Err(error) = check_topic(&topic.name) {
                self.fault(format!(
                    "its retry topic is named by topic, group and delay, and {error}; name the group, or the topic, \
                     accordingly"
                ));
            }
        }
        Some(topics)
    }
}

/// Returns the first line that says what is wrong, without the drawing.
fn pattern_error(error: &regex::Error) -> String {
    let text = error.to_string();
    let cause = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("not a regular expression");
    format!("not a pattern: {}", cause.trim().trim_start_matches("error: "))
}

/// Checks the app's dead-letter defaults.
pub(super) fn check_defaults(defaults: &Defaults, faults: &mut Vec<StartupFault>) {
    for fault in defaults.retry.iter().flat_map(limits::retry_faults) {
        faults.push(StartupFault::of_app(format!("`.retry(..)`: {fault}")));
    }
    let Some(topic) = &defaults.dead_letter else { return };
    if let Err(error) = check_topic(topic) {
        faults.push(StartupFault::of_app(format!("`.dead_letter(\"{topic}\")`: {error}")));
    }
    if let Some(other) = defaults.on_error.filter(|on_error| *on_error != OnError::DeadLetter) {
        faults.push(StartupFault::of_app(format!(
            "`.dead_letter(\"{topic}\")` and `.on_error({other:?})` contradict each other: remove one"
        )));
    }
}

/// Checks a name that may be anything, except for invisible characters.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), String> {
    let shown = name.escape_debug();
    if name.trim().is_empty() {
        Err(format!("{what} needs a name"))
    } else if name.chars().any(char::is_control) {
        Err(format!("`{shown}` holds a control character: write the name without it"))
    } else if name.trim() != name {
        Err(format!("`{shown}` begins or ends with a space: write the name without it"))
    } else if let Some(letter) = name.chars().find(|letter| is_unseen(*letter)) {
        Err(format!(
            "`{shown}` holds a character that nobody sees ({}), so it is not the name that it looks like: write it without",
            letter.escape_unicode()
        ))
    } else if name.len() > LONGEST_TEXT {
        Err(format!("it has {} bytes, and Kafka takes {LONGEST_TEXT}: write a shorter one", name.len()))
    } else {
        Ok(())
    }
}

/// Returns whether the character is a zero-width space, a mark of direction or of byte order, or a line break.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn check_topic(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("a topic needs a name".into())
    } else if !topic_name::is_legal(name) {
        Err(format!(
            "`{}` is no topic name: Kafka takes letters, digits, `.`, `_` and `-`, {} at most",
            name.escape_debug(),
            topic_name::LONGEST
        ))
    } else {
        Ok(())
    }
}

/// Returns how long a revocation or a shutdown waits for all of these.
pub(super) fn longest_drain<'a>(subscribers: impl Iterator<Item = &'a Arc<Subscriber>>) -> Duration {
    subscribers.map(|subscriber| subscriber.drain).max().unwrap_or_default()
}

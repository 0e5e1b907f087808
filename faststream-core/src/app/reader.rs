//! Reads the texts of one attribute: replaces variables, parses durations, checks names.
//!
//! It knows no other scope than the attribute. Faults are noted, and reading continues, so that a start reports all of
//! them at once.

use std::fmt::Display;
use std::sync::Arc;

use regex::Regex;

use super::names::{check_name, check_topic};
use super::scopes::OwnRetry;
use super::{Environment, StartupFault};
use crate::policy::{Retry, limits, parse_duration};
use crate::subscriber::{RetryTopic, Source, SourceDef, SubscriberDef};

/// One subscriber being read.
pub(super) struct Reader<'a> {
    pub(super) def: &'static SubscriberDef,
    pub(super) environment: &'a Environment,
    /// Receives everything that is wrong, each with the handler's file and line.
    pub(super) faults: &'a mut Vec<StartupFault>,
}

impl Reader<'_> {
    fn fault(&mut self, message: impl Into<String>) {
        self.faults.push(StartupFault::of_handler(self.def, message));
    }

    /// Returns the text with its variables replaced.
    pub(super) fn text(&mut self, key: &str, text: &str) -> Option<String> {
        match self.environment.expand(text) {
            Ok(expanded) => Some(expanded),
            Err(error) => {
                self.fault(format!("`{key} = \"{text}\"`: {error}"));
                None
            }
        }
    }

    pub(super) fn parsed<T, E: Display>(
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

    pub(super) fn topic(&mut self, key: &str, text: &str) -> Option<Arc<str>> {
        self.parsed(key, text, |name| check_topic(name).map(|()| name.into()))
    }

    pub(super) fn enabled(&mut self) -> bool {
        let Some(text) = self.def.enabled else { return true };
        let parse = |value: &str| match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(format!("`{value}` is neither `true` nor `false`")),
        };
        self.parsed("enabled", text, parse).unwrap_or(false)
    }

    pub(super) fn source(&mut self) -> Option<Source> {
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

    pub(super) fn group(&mut self, of_app: Option<&str>) -> Option<Arc<str>> {
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

    pub(super) fn retry(&mut self) -> Option<OwnRetry> {
        let def = self.def.retry?;
        let backoff = def.backoff.and_then(|text| {
            let retry = self.parsed("backoff", text, |text| Retry::attempts(1).parse_backoff(text))?;
            for fault in limits::retry_faults(&retry) {
                self.fault(format!("`backoff = \"{text}\"`: {fault}"));
            }
            Some(retry)
        });
        Some(OwnRetry { attempts: def.attempts, backoff, has_topics: !def.topics.is_empty() })
    }

    /// Returns the retry topics; `None` if one of them cannot exist, or if the sources or the group are unknown.
    pub(super) fn retry_topics(
        &mut self,
        source: Option<&Source>,
        group: Option<&str>,
    ) -> Option<Vec<RetryTopic>> {
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

//! Resolves a subscriber as it was written: reads its texts (`reader`), finds what applies to it (`scopes`), and checks
//! that it goes together (`rules`).

use std::sync::Arc;
use std::time::Duration;

use super::names::check_topic;
use super::reader::Reader;
use super::scopes::{self, OwnSettings, ScopeSettings};
use super::{Environment, StartupFault, rules};
use crate::policy::{OnError, limits, parse_duration};
use crate::subscriber::{Handler, LaneSpec, Subscriber, SubscriberDef};

/// The inputs with which all subscribers of an app are resolved.
pub(super) struct Resolver<'a> {
    pub(super) environment: &'a Environment,
    /// What the app gives to all of its subscribers.
    pub(super) defaults: &'a ScopeSettings,
    /// How long a revocation waits for calls, for subscribers without `drain`.
    pub(super) drain: Duration,
    /// The group of subscribers without one.
    pub(super) group: Option<&'a str>,
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
        let timeout = def.timeout.and_then(|text| reader.parsed("timeout", text, parse_duration));
        let drain = def.drain.and_then(|text| reader.parsed("drain", text, parse_duration));
        let retry_topics = reader.retry_topics(source.as_ref(), group.as_deref());
        let publishes: Vec<_> =
            def.publishers.iter().filter_map(|def| reader.topic("publisher", def.topic)).collect();
        let own = OwnSettings {
            ack: def.ack,
            retry: reader.retry(),
            on_error: def.on_error,
            on_decode_error: def.on_decode_error,
            dead_letter: def.dead_letter.and_then(|text| reader.topic("dead_letter", text)),
            order: def.order,
            concurrency: def.concurrency,
        };
        let effective = scopes::effective(&own, &[self.defaults]);
        rules::check(def, effective.ack, effective.order, timeout, faults);
        if faults.len() > before {
            return None;
        }
        let spec = LaneSpec {
            group: group?,
            broker: broker.map(Into::into),
            source: source?,
            start: def.start.unwrap_or_default(),
            order: effective.order,
            concurrency: usize::try_from(effective.concurrency).unwrap_or(usize::MAX),
            commit: def.commit.unwrap_or_default(),
            retry_topics: retry_topics?.into(),
            drain: drain.unwrap_or(self.drain),
        };
        let handler = Handler {
            def,
            name: def.name.into(),
            ack: effective.ack,
            retry: effective.retry,
            on_error: effective.on_error,
            on_decode_error: effective.on_decode_error,
            dead_letter: effective.dead_letter,
            timeout,
            publishes: publishes.into(),
        };
        Some(Subscriber { spec: spec.into(), handler: handler.into() })
    }
}

/// Checks the app's dead-letter defaults.
pub(super) fn check_defaults(defaults: &ScopeSettings, faults: &mut Vec<StartupFault>) {
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

/// Returns how long a revocation or a shutdown waits for all of these.
pub(super) fn longest_drain<'a>(subscribers: impl Iterator<Item = &'a Arc<Subscriber>>) -> Duration {
    subscribers.map(|subscriber| subscriber.spec.drain).max().unwrap_or_default()
}

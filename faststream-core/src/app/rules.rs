//! Incompatible settings of one subscriber, once all settings are resolved.
//!
//! The macro refuses what it can see; here the app's defaults are known, too. Only the subscriber's own settings can be
//! wrong: a default that does not apply is ignored.

use std::time::Duration;

use super::StartupFault;
use super::scopes::{gives_up, retries};
use crate::delivery::Requirements;
use crate::policy::{AckPolicy, OnError, Order, limits};
use crate::subscriber::{SourceDef, SubscriberDef};

/// Adds a fault for every rule that the subscriber breaks.
pub(super) fn check(
    def: &'static SubscriberDef,
    ack: AckPolicy,
    order: Order,
    timeout: Option<Duration>,
    faults: &mut Vec<StartupFault>,
) {
    let mut refuse = |message: String| faults.push(StartupFault::of_handler(def, message));
    let policy = || format!("`ack = {ack:?}`{}", if def.ack.is_some() { "" } else { " (from the app)" });

    if def.retry.is_some() && !retries(ack) {
        refuse(format!("`retry` has no effect with {}: use `ack = NackOnError`, or remove it", policy()));
    }
    if def.retry.is_some_and(|retry| retry.attempts == Some(0)) {
        refuse("`retry(attempts = 0)` would never call it: `attempts = 1` means no retry".into());
    }
    if def.retry.is_some_and(|retry| !retry.topics.is_empty()) {
        if order == Order::Key {
            refuse(
                "`retry(topics)` does not go with `order = Key`: a record in a retry topic is overtaken by the next one of \
                 its key; remove one of the two"
                    .into(),
            );
        }
        if matches!(def.source, SourceDef::Pattern(_)) {
            refuse(
                "`retry(topics)` does not go with `pattern`: the topics are made at start, when those that match are not \
                 known; name them by `topics`, or have retries in place"
                    .into(),
            );
        }
    }
    for (key, given) in [
        ("on_error", def.on_error.is_some()),
        ("dead_letter", def.dead_letter.is_some()),
        ("on_decode_error", def.on_decode_error.is_some()),
    ] {
        if given && !gives_up(ack) {
            let policy = policy();
            refuse(format!(
                "`{key}` has no effect with {policy}, which finishes a record whatever comes: use `ack = NackOnError` \
                 or `ack = RejectOnError`, or remove it"
            ));
        }
    }
    let other = def.on_error.filter(|on_error| *on_error != OnError::DeadLetter);
    if let (Some(_), Some(other)) = (def.dead_letter, other)
        && def.on_decode_error != Some(OnError::DeadLetter)
    {
        refuse(format!("`dead_letter` and `on_error = {other:?}` contradict each other: remove one"));
    }
    if def.concurrency == Some(0) {
        refuse("`concurrency = 0` would never call it: 1 is the least".into());
    }
    if def.concurrency.is_some_and(|concurrency| concurrency > 1) && order == Order::Partition {
        refuse(
            "`concurrency` above 1 needs `order = Key` (order kept per key) or `order = None`: with \
             `order = Partition` one record at a time is handled"
                .into(),
        );
    }
    if let Some(fault) = timeout.and_then(limits::timeout_fault) {
        refuse(fault);
    }

    let mut requirements = Requirements::default();
    (def.requires)(&mut requirements);
    if requirements.needs_pattern() && !matches!(def.source, SourceDef::Pattern(_)) {
        refuse(
            "it takes `Captures`, the groups of a `pattern`, but reads topics by name: use `pattern`".into(),
        );
    }
    let by_hand = requirements.takes_ack();
    if by_hand && ack != AckPolicy::Manual {
        refuse(format!("it takes an `Ack`, which needs `ack = Manual`, but has {}", policy()));
    }
    if !by_hand && ack == AckPolicy::Manual && def.ack.is_some() {
        refuse(
            "`ack = Manual` needs an argument of type `Ack` to settle with: take one, or remove it".into(),
        );
    }
    if !by_hand && ack == AckPolicy::Manual && def.ack.is_none() {
        refuse(
            "the app's default is `ack = Manual`, which needs an argument of type `Ack`: take one, or write another \
             `ack` at this subscriber"
                .into(),
        );
    }
}

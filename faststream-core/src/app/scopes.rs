//! Which setting applies to a handler: its own, else that of the nearest scope around it, else the built-in one.
//!
//! The only place that knows this precedence. Pure: the texts are read and checked before ([`reader`](super::reader)),
//! and what cannot apply together is refused afterwards ([`rules`](super::rules)).
//!
//! A scope's settings are defaults for whatever is in it, and are ignored where they do not apply: a retry for a handler
//! whose policy never retries, a dead-letter topic for one that never gives up. A handler's own settings must apply.

use std::sync::Arc;

use crate::policy::{AckPolicy, OnError, Order, Retry};

/// Concurrent calls in one partition, where their order allows more than one.
const CONCURRENCY: u32 = 16;

/// The settings that a scope gives to the handlers in it. `None`: the next scope outside decides.
#[derive(Debug, Clone, Default)]
pub(super) struct ScopeSettings {
    /// When a record is finished.
    pub(super) ack: Option<AckPolicy>,
    /// Attempts and pauses of retries in place.
    pub(super) retry: Option<Retry>,
    /// What happens to a record after the last attempt.
    pub(super) on_error: Option<OnError>,
    /// The topic for dead letters. Without `on_error`, naming it means `DeadLetter`.
    pub(super) dead_letter: Option<Arc<str>>,
}

/// The settings that an attribute gives to its handler. `None`: the scopes around it decide.
#[derive(Debug, Default)]
pub(super) struct OwnSettings {
    pub(super) ack: Option<AckPolicy>,
    pub(super) retry: Option<OwnRetry>,
    pub(super) on_error: Option<OnError>,
    pub(super) on_decode_error: Option<OnError>,
    pub(super) dead_letter: Option<Arc<str>>,
    pub(super) order: Option<Order>,
    pub(super) concurrency: Option<u32>,
}

/// `retry(..)` of an attribute, which may give a part and leave the rest to the scopes around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnRetry {
    /// `attempts = 5`.
    pub(super) attempts: Option<u32>,
    /// `backoff = "1s..30s"`; its number of attempts means nothing.
    pub(super) backoff: Option<Retry>,
    /// Whether there are retry topics, in which the pauses are: then one attempt in place is the built-in number.
    pub(super) has_topics: bool,
}

/// The settings that apply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effective {
    pub(super) ack: AckPolicy,
    pub(super) retry: Retry,
    pub(super) on_error: OnError,
    pub(super) on_decode_error: OnError,
    pub(super) dead_letter: Option<Arc<str>>,
    pub(super) order: Order,
    pub(super) concurrency: u32,
}

/// Returns the settings that apply to a handler in these scopes, the innermost first.
pub(super) fn effective(own: &OwnSettings, scopes: &[&ScopeSettings]) -> Effective {
    let ack = own.ack.or_else(|| nearest(scopes, |scope| scope.ack)).unwrap_or_default();
    let retry = nearest(scopes, |scope| scope.retry);
    let on_error = own
        .on_error
        .or_else(|| own.dead_letter.as_ref().map(|_| OnError::DeadLetter))
        .or_else(|| nearest(scopes, on_error_of).filter(|_| gives_up(ack)))
        .unwrap_or(if retries(ack) { OnError::Hold } else { OnError::Skip });
    let on_decode_error = own.on_decode_error.unwrap_or(on_error);
    let may_dead_letter = [on_error, on_decode_error].contains(&OnError::DeadLetter);
    let named = || nearest(scopes, |scope| scope.dead_letter.clone()).filter(|_| may_dead_letter);
    let order = own.order.unwrap_or_default();
    Effective {
        ack,
        retry: if retries(ack) { merged(own.retry, retry) } else { Retry::attempts(1) },
        on_error,
        on_decode_error,
        dead_letter: own.dead_letter.clone().or_else(named),
        order,
        concurrency: own.concurrency.unwrap_or(if order == Order::Partition { 1 } else { CONCURRENCY }),
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

fn nearest<T>(scopes: &[&ScopeSettings], setting: impl Fn(&ScopeSettings) -> Option<T>) -> Option<T> {
    scopes.iter().find_map(|scope| setting(scope))
}

fn on_error_of(scope: &ScopeSettings) -> Option<OnError> {
    scope.on_error.or_else(|| scope.dead_letter.as_ref().map(|_| OnError::DeadLetter))
}

/// Returns the scopes' retry with the parts that the attribute gives.
fn merged(own: Option<OwnRetry>, scopes: Option<Retry>) -> Retry {
    let Some(own) = own else { return scopes.unwrap_or_default() };
    let built_in = if own.has_topics { Retry::attempts(1) } else { Retry::default() };
    let base = scopes.unwrap_or(built_in);
    let attempts = own.attempts.unwrap_or_else(|| base.as_given().0);
    own.backoff.unwrap_or(base).with_attempts(attempts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scope() -> ScopeSettings {
        ScopeSettings::default()
    }

    fn pauses(seconds: u64) -> Retry {
        Retry::attempts(3).backoff(Duration::from_secs(seconds), Duration::from_secs(60))
    }

    /// Each setting of its own, in the scope inside, in the scope outside, in both, and nowhere.
    #[test]
    fn the_nearest_scope_that_gives_a_setting_decides() {
        let ack = |ack| ScopeSettings { ack: Some(ack), ..scope() };
        let (inner, outer) = (ack(AckPolicy::Ack), ack(AckPolicy::RejectOnError));
        let own = OwnSettings { ack: Some(AckPolicy::AckFirst), ..OwnSettings::default() };
        let none = OwnSettings::default();
        assert_eq!(effective(&own, &[&inner, &outer]).ack, AckPolicy::AckFirst);
        assert_eq!(effective(&none, &[&inner, &outer]).ack, AckPolicy::Ack);
        assert_eq!(effective(&none, &[&scope(), &outer]).ack, AckPolicy::RejectOnError);
        assert_eq!(effective(&none, &[]).ack, AckPolicy::NackOnError);

        let on_error = |on_error| ScopeSettings { on_error: Some(on_error), ..scope() };
        let (inner, outer) = (on_error(OnError::Skip), on_error(OnError::Stop));
        let own = OwnSettings { on_error: Some(OnError::Hold), ..OwnSettings::default() };
        assert_eq!(effective(&own, &[&inner, &outer]).on_error, OnError::Hold);
        assert_eq!(effective(&none, &[&inner, &outer]).on_error, OnError::Skip);
        assert_eq!(effective(&none, &[&scope(), &outer]).on_error, OnError::Stop);
        assert_eq!(effective(&none, &[]).on_error, OnError::Hold);

        let retry = |seconds| ScopeSettings { retry: Some(pauses(seconds)), ..scope() };
        let (inner, outer) = (retry(1), retry(2));
        assert_eq!(effective(&none, &[&inner, &outer]).retry, pauses(1));
        assert_eq!(effective(&none, &[&scope(), &outer]).retry, pauses(2));
        assert_eq!(effective(&none, &[]).retry, Retry::default());

        let letters = |topic: &str| ScopeSettings { dead_letter: Some(topic.into()), ..scope() };
        let (inner, outer) = (letters("inner"), letters("outer"));
        let own = OwnSettings { dead_letter: Some("own".into()), ..OwnSettings::default() };
        let topic = |own: &OwnSettings, scopes: &[&ScopeSettings]| effective(own, scopes).dead_letter;
        assert_eq!(topic(&own, &[&inner, &outer]).as_deref(), Some("own"));
        assert_eq!(topic(&none, &[&inner, &outer]).as_deref(), Some("inner"));
        assert_eq!(topic(&none, &[&scope(), &outer]).as_deref(), Some("outer"));
        assert_eq!(topic(&none, &[]), None);
    }

    #[test]
    fn a_named_dead_letter_topic_means_dead_letters_unless_a_nearer_scope_says_otherwise() {
        let letters = ScopeSettings { dead_letter: Some("letters".into()), ..scope() };
        let holds = ScopeSettings { on_error: Some(OnError::Hold), ..scope() };
        let none = OwnSettings::default();
        assert_eq!(effective(&none, &[&letters]).on_error, OnError::DeadLetter);
        let held = effective(&none, &[&holds, &letters]);
        assert_eq!((held.on_error, held.dead_letter), (OnError::Hold, None));
        let undecodable =
            OwnSettings { on_decode_error: Some(OnError::DeadLetter), ..OwnSettings::default() };
        let held = effective(&undecodable, &[&holds, &letters]);
        assert_eq!((held.on_error, held.dead_letter.as_deref()), (OnError::Hold, Some("letters")));
    }

    #[test]
    fn a_scopes_setting_is_ignored_where_it_does_not_apply() {
        let scope = ScopeSettings {
            retry: Some(pauses(1)),
            on_error: Some(OnError::Hold),
            dead_letter: Some("letters".into()),
            ..scope()
        };
        let own = OwnSettings { ack: Some(AckPolicy::Ack), ..OwnSettings::default() };
        let effective = effective(&own, &[&scope]);
        assert_eq!((effective.retry, effective.on_error), (Retry::attempts(1), OnError::Skip));
        assert_eq!(effective.dead_letter, None);
    }

    #[test]
    fn an_attribute_gives_a_part_of_its_retry_and_the_scope_the_rest() {
        let scope = ScopeSettings { retry: Some(pauses(7)), ..scope() };
        let own = |attempts, backoff, has_topics| OwnSettings {
            retry: Some(OwnRetry { attempts, backoff, has_topics }),
            ..OwnSettings::default()
        };
        assert_eq!(effective(&own(Some(9), None, false), &[&scope]).retry, pauses(7).with_attempts(9));
        assert_eq!(
            effective(&own(None, Some(pauses(2).with_attempts(1)), false), &[&scope]).retry,
            pauses(2)
        );
        assert_eq!(effective(&own(None, None, true), &[&scope]).retry, pauses(7));
        assert_eq!(effective(&own(None, None, true), &[]).retry, Retry::attempts(1));
        assert_eq!(effective(&own(None, None, false), &[]).retry, Retry::default());
    }

    #[test]
    fn calls_run_beside_each_other_where_the_order_allows_it() {
        let own = |order, concurrency| OwnSettings { order, concurrency, ..OwnSettings::default() };
        assert_eq!(effective(&own(None, None), &[]).concurrency, 1);
        assert_eq!(effective(&own(Some(Order::Key), None), &[]).concurrency, CONCURRENCY);
        assert_eq!(effective(&own(Some(Order::Key), Some(3)), &[]).concurrency, 3);
    }
}

//! The topics that are to be subscribed to, until the client has taken them.
//!
//! A client may refuse a list, for one that it cannot take just now. Nobody would hear of the topics again before they
//! change, so it is asked again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// After this a subscription that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The topics that are to be subscribed to, and when it is tried.
#[derive(Debug, Default)]
pub(super) struct Subscription(Option<(BTreeSet<String>, Instant)>);

impl Subscription {
    /// These, instead of whatever was to be subscribed to before.
    pub(super) fn wants(&mut self, topics: BTreeSet<String>, now: Instant) {
        self.0 = Some((topics, now));
    }

    /// Whether nothing is to be subscribed to.
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Subscribes if there is something to subscribe to, and it is time.
    ///
    /// # Errors
    /// What `subscribe` said: it is asked again a second later.
    pub(super) fn apply<E>(
        &mut self,
        now: Instant,
        subscribe: impl FnOnce(&[&str]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((topics, _)) = self.0.take_if(|(_, due)| *due <= now) else { return Ok(()) };
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let subscribed = subscribe(&names);
        if subscribed.is_err() {
            self.0 = Some((topics, now + AGAIN));
        }
        subscribed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What the client was asked to subscribe to; it refuses on demand.
    fn apply(subscription: &mut Subscription, now: Instant, refuses: bool) -> Option<Vec<String>> {
        let mut asked = None;
        let served = subscription.apply(now, |names| {
            asked = Some(names.iter().map(|name| (*name).to_owned()).collect());
            if refuses { Err("not now") } else { Ok(()) }
        });
        assert_eq!(served.is_err(), refuses && asked.is_some());
        asked
    }

    #[test]
    fn a_subscription_that_failed_is_tried_again_until_it_is_taken() {
        let (mut subscription, begin) = (Subscription::default(), Instant::now());
        assert_eq!(apply(&mut subscription, begin, true), None, "nothing is wanted");
        assert!(subscription.is_idle());
        subscription.wants(topics(&["a", "b"]), begin);
        let both = Some(vec!["a".to_owned(), "b".to_owned()]);
        for seconds in [0, 1, 2] {
            let now = begin + Duration::from_secs(seconds);
            assert_eq!(apply(&mut subscription, now, true), both);
            assert_eq!(apply(&mut subscription, now + AGAIN / 2, true), None, "not at once");
            assert!(!subscription.is_idle(), "it is waited for");
        }
        let later = begin + Duration::from_secs(3);
        assert_eq!(apply(&mut subscription, later, false), both);
        assert_eq!(apply(&mut subscription, later + AGAIN * 9, false), None, "once is enough");
    }

    #[test]
    fn topics_that_changed_meanwhile_are_subscribed_to_instead() {
        let (mut subscription, begin) = (Subscription::default(), Instant::now());
        subscription.wants(topics(&["a"]), begin);
        apply(&mut subscription, begin, true);
        subscription.wants(topics(&["a", "b"]), begin);
        assert_eq!(apply(&mut subscription, begin, false), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(apply(&mut subscription, begin + AGAIN * 9, false), None);
    }
}

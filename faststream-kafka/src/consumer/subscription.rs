//! The topics that are to be subscribed to, until the client has taken them.
//!
//! A client may refuse a list, for one that it cannot take just now. Nobody would hear of the topics again before they
//! change, so it is asked again.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::client::ConsumerClient;

/// After this a subscription that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The topics of a group, and those that its client has yet to take.
pub(super) struct Subscription {
    /// The topics to subscribe to, whenever they change.
    found: Receiver<BTreeSet<String>>,
    /// All names are there and nothing is by pattern: nobody looks for topics any more.
    is_complete: bool,
    pending: Pending,
}

impl Subscription {
    pub(super) fn new(found: Receiver<BTreeSet<String>>) -> Self {
        Self { found, is_complete: false, pending: Pending::default() }
    }

    /// Whether nothing is to be subscribed to.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_idle()
    }

    /// Whether nobody looks for missing topics any more.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Takes what was found. To be called at each turn.
    pub(super) fn look(&mut self) {
        match self.found.try_recv() {
            Ok(topics) => self.pending.wants(topics, Instant::now()),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.is_complete = true,
        }
    }

    /// Subscribes to what was found, if it is time.
    pub(super) fn apply(&mut self, client: &ConsumerClient) {
        let group = &client.context().group;
        let subscribed = self.pending.apply(Instant::now(), |names| {
            faststream_core::log::info!(%group, topics = names.len(), "the topics that match have changed");
            client.consumer().subscribe(names).map_err(|error| format!("{names:?}, tried again: {error}"))
        });
        if let Err(error) = subscribed {
            client.context().errors.log("subscribe", format_args!("subscribing to {error}"));
        }
    }
}

/// The topics that are to be subscribed to, and when it is tried.
#[derive(Debug, Default)]
struct Pending(Option<(BTreeSet<String>, Instant)>);

impl Pending {
    /// These, instead of whatever was to be subscribed to before.
    fn wants(&mut self, topics: BTreeSet<String>, now: Instant) {
        self.0 = Some((topics, now));
    }

    /// Whether nothing is to be subscribed to.
    fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Subscribes if there is something to subscribe to, and it is time.
    ///
    /// # Errors
    /// What `subscribe` said: it is asked again a second later.
    fn apply<E>(&mut self, now: Instant, subscribe: impl FnOnce(&[&str]) -> Result<(), E>) -> Result<(), E> {
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
    fn apply(pending: &mut Pending, now: Instant, refuses: bool) -> Option<Vec<String>> {
        let mut asked = None;
        let served = pending.apply(now, |names| {
            asked = Some(names.iter().map(|name| (*name).to_owned()).collect());
            if refuses { Err("not now") } else { Ok(()) }
        });
        assert_eq!(served.is_err(), refuses && asked.is_some());
        asked
    }

    #[test]
    fn a_subscription_that_failed_is_tried_again_until_it_is_taken() {
        let (mut pending, begin) = (Pending::default(), Instant::now());
        assert_eq!(apply(&mut pending, begin, true), None, "nothing is wanted");
        assert!(pending.is_idle());
        pending.wants(topics(&["a", "b"]), begin);
        let both = Some(vec!["a".to_owned(), "b".to_owned()]);
        for seconds in [0, 1, 2] {
            let now = begin + Duration::from_secs(seconds);
            assert_eq!(apply(&mut pending, now, true), both);
            assert_eq!(apply(&mut pending, now + AGAIN / 2, true), None, "not at once");
            assert!(!pending.is_idle(), "it is waited for");
        }
        let later = begin + Duration::from_secs(3);
        assert_eq!(apply(&mut pending, later, false), both);
        assert_eq!(apply(&mut pending, later + AGAIN * 9, false), None, "once is enough");
    }

    #[test]
    fn topics_that_changed_meanwhile_are_subscribed_to_instead() {
        let (mut pending, begin) = (Pending::default(), Instant::now());
        pending.wants(topics(&["a"]), begin);
        apply(&mut pending, begin, true);
        pending.wants(topics(&["a", "b"]), begin);
        assert_eq!(apply(&mut pending, begin, false), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(apply(&mut pending, begin + AGAIN * 9, false), None);
    }
}

//! The topics to subscribe to, until the client has accepted them.
//!
//! The thread of `topics.rs` finds them, and the control thread subscribes. Each subscription replaces the one
//! before, and makes the client join again if the list differs.
//!
//! A client may refuse a list that it cannot accept at the moment. The topics would not be reported again before
//! they change, so the subscription is retried.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use faststream_core::policy::Start;
use rdkafka::consumer::Consumer;

use super::client::ConsumerClient;
use super::topics::{self, TopicWatch};

/// The pause before a failed subscription is retried.
const AGAIN: Duration = Duration::from_secs(1);

/// The topics of a group, and those that its client has not accepted yet.
pub(super) struct Subscription {
    watch: TopicWatch,
    /// The topics that the client was asked for last, or is about to be.
    topics: BTreeSet<String>,
    /// Whether all names exist and there are no patterns: nothing searches for topics any more. From then on a
    /// missing topic is worth a log line, because it was deleted.
    is_complete: bool,
    /// The list that the client has not accepted yet.
    pending: Pending,
}

impl Subscription {
    /// Returns the subscription of a client that has subscribed to what it could at once.
    pub(super) fn new(client: &Arc<ConsumerClient>) -> Self {
        let topics = topics::at_once(&client.request());
        let watch = topics::watch(client, topics.clone());
        Self { watch, topics, is_complete: false, pending: Pending::default() }
    }

    /// Reads this topic, too. Where the records that exist now are to be skipped, it is looked at first.
    pub(super) fn add(&mut self, client: &Arc<ConsumerClient>, topic: &str, start: Start) {
        if !client.add_topic(topic, start) {
            return;
        }
        let is_known = !self.topics.is_empty() && start != Start::Latest;
        if is_known && self.topics.insert(topic.to_owned()) {
            self.pending.wants(self.topics.clone(), Instant::now());
        }
        self.search(client);
    }

    /// Reads this topic no longer, unless a pattern selects it.
    pub(super) fn remove(&mut self, client: &Arc<ConsumerClient>, topic: &str) {
        if !client.remove_topic(topic) {
            return;
        }
        if !client.request().reads(topic) && self.topics.remove(topic) {
            self.pending.wants(self.topics.clone(), Instant::now());
        }
        self.search(client);
    }

    /// Searches for the topics anew, because they are others.
    fn search(&mut self, client: &Arc<ConsumerClient>) {
        self.watch = topics::watch(client, self.topics.clone());
        self.is_complete = false;
    }

    /// Returns whether there is nothing to subscribe to.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_idle()
    }

    /// Returns whether nothing searches for missing topics any more.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Takes the topics that were found, without waiting. Call it at each turn.
    pub(super) fn look(&mut self) {
        match self.watch.found() {
            Ok(topics) => {
                self.topics.clone_from(&topics);
                self.pending.wants(topics, Instant::now());
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.is_complete = true,
        }
    }

    /// Subscribes to the topics that were found, if it is time. An error is logged, and the list stays.
    pub(super) fn apply(&mut self, client: &ConsumerClient) {
        let group = &client.context().group;
        let subscribed = self.pending.apply(Instant::now(), |names| {
            faststream_core::log::info!(%group, topics = names.len(), "the topics that match have changed");
            if names.is_empty() {
                // The client takes no empty list.
                client.consumer().unsubscribe();
                return Ok(());
            }
            client.consumer().subscribe(names).map_err(|error| format!("{names:?}, tried again: {error}"))
        });
        if let Err(error) = subscribed {
            client.context().errors.log("subscribe", format_args!("subscribing to {error}"));
        }
    }
}

/// The topics to subscribe to, and the time of the next attempt. Knows no client, so that its rules can be tested
/// with any clock.
#[derive(Debug, Default)]
struct Pending(Option<(BTreeSet<String>, Instant)>);

impl Pending {
    /// Sets the topics, instead of the earlier ones, whether or not these were accepted.
    fn wants(&mut self, topics: BTreeSet<String>, now: Instant) {
        self.0 = Some((topics, now));
    }

    /// Returns whether there is nothing to subscribe to.
    fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Subscribes if there are topics to subscribe to, and it is time.
    ///
    /// # Errors
    /// If `subscribe` failed. It is retried a second later.
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

    /// Returns the topics that the client was asked to subscribe to. It refuses if `refuses`.
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

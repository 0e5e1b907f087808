//! Finds where partitions begin, on the thread of an [`OffsetFetch`](super::offset_fetch::OffsetFetch).
//!
//! Each partition proceeds separately, and one without an answer delays no other:
//!
//! 1. The brokers are asked which topics exist (their ids), before the commits are fetched: an id that is older than an
//!    offset is noticed later, one that is newer never is.
//! 2. The group's committed offsets are fetched, repeatedly for partitions that are refused.
//! 3. *Committed, with the topic's id beside the offset*: the ids are compared. If it is the same topic, the partition
//!    begins at the offset. If it is another one, recreated under the same name, the offset belongs to records that no
//!    longer exist, and the partition begins at the beginning of the new topic. If the ids are not known in time, it
//!    begins at the offset and is compared later.
//! 4. *Committed without an id*: it begins at the offset, and the offset is committed again, with the id.
//! 5. *Not committed*: the leader is asked where the log begins, or with `start = Latest` where it ends. The end
//!    applies only to what existed before the group joined: a topic that appears later, or is recreated, is read from
//!    its beginning.
//!
//! The case behind this: librdkafka's own fetch gives up at errors of the whole group (librdkafka issue 5586), and
//! leaves every partition assigned without ever fetching a record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use faststream_core::broker::AtJoin;
use faststream_core::policy;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode;

use super::assignment;
use super::client::ConsumerClient;
use super::offset_fetch::{Begin, Starts};
use super::offset_questions::{Question, Questions};
use super::topic_ids::noted;
use crate::native::{Answer, End, TopicId, committed_metadata};

/// How long the coordinator may take to answer for the commits.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The pause before a failed request is repeated. With three errors in a row, the first message arrived after less
/// than 2 s, whatever the code.
const PAUSE: Duration = Duration::from_millis(100);
/// After this long without an answer, the request is repeated once a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an offset with a noted topic waits for the list of topics. Later, they are compared after the partition
/// began.
const COMPARED: Duration = Duration::from_millis(300);
/// How often the leaders are looked up because of an error, at most.
const REFRESHED: Duration = Duration::from_secs(1);

/// Searches until every partition is found, or nothing waits any more. Runs on the thread `fs-offsets`, and blocks
/// it.
///
/// `answers` gets offsets as they become known. The search ends early if its receiver is dropped, if `over` is
/// set, or if the client closes. Each is noticed after the request that is in progress.
pub(super) fn run(
    client: &Arc<ConsumerClient>,
    partitions: Vec<TopicPartition>,
    answers: &Sender<Starts>,
    over: &AtomicBool,
) {
    let Some(mut questions) = Questions::new(client) else { return };
    let is_asking = questions.ask_topics(&partitions);
    let mut search = Search {
        client,
        questions,
        began: Instant::now(),
        topics: if is_asking { None } else { Some(BTreeMap::new()) },
        uncompared: Vec::new(),
        remade: BTreeSet::new(),
        uncommitted: partitions,
        next_fetch: None,
        again: Vec::new(),
        refreshed: None,
        passed: BTreeMap::new(),
    };
    while !search.is_done() && !over.load(SeqCst) && !client.context().closing.load(SeqCst) {
        let found = search.turn();
        if !found.is_empty() && answers.send(found).is_err() {
            // Nothing waits any more: the membership ended meanwhile.
            return;
        }
    }
    search.warn_passed();
}

/// The state of the search. A partition is in one of `uncommitted`, `uncompared`, `again` and the pending
/// questions, until its offset was sent.
struct Search<'a> {
    /// The client that asks.
    client: &'a Arc<ConsumerClient>,
    /// The pending questions to brokers.
    questions: Questions,
    /// When the search began. Its age decides how often requests are repeated.
    began: Instant,
    /// The topics that exist; `None` until that is answered.
    topics: Option<BTreeMap<String, TopicId>>,
    /// Committed offsets of topics that are to be compared with those.
    uncompared: Vec<(TopicPartition, i64, TopicId)>,
    /// Partitions whose commits belong to a topic that no longer exists. They begin at the beginning, whatever
    /// their start policy.
    remade: BTreeSet<TopicPartition>,
    /// Partitions whose commits are not known.
    uncommitted: Vec<TopicPartition>,
    /// When these are fetched; at once if `None`.
    next_fetch: Option<Instant>,
    /// Partitions whose leader did not answer, and when it is asked again.
    again: Vec<(Instant, TopicPartition)>,
    /// How many records exist before the end of each partition that begins there.
    passed: BTreeMap<TopicPartition, i64>,
    /// When the leaders were last looked up because of an error.
    refreshed: Option<Instant>,
}

impl Search<'_> {
    /// Returns whether no partition needs anything more. A question about the oldest record or about the topics
    /// alone keeps no search alive.
    fn is_done(&self) -> bool {
        self.uncommitted.is_empty()
            && self.uncompared.is_empty()
            && self.again.is_empty()
            && !self.questions.is_waited_for()
    }

    /// Sends the requests that are due, and waits a moment for answers: 50 ms at most, if nothing was found
    /// before. Returns the offsets that became known.
    fn turn(&mut self) -> Starts {
        let mut found = Starts::new();
        let now = Instant::now();
        if !self.uncommitted.is_empty() && self.next_fetch.is_none_or(|next| next <= now) {
            self.fetch_commits(&mut found);
            self.next_fetch = Some(Instant::now() + self.pause());
        }
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.again).into_iter().partition(|(at, _)| *at <= now);
        self.again = later;
        for (_, tp) in due {
            self.ask(tp);
        }
        let mut wait = if found.is_empty() { PAUSE / 2 } else { Duration::ZERO };
        while let Some((question, answer)) = self.questions.next(wait) {
            wait = Duration::ZERO;
            self.learn(question, answer, &mut found);
        }
        if self.topics.is_some() || self.began.elapsed() > COMPARED {
            for (tp, next, noted) in std::mem::take(&mut self.uncompared) {
                self.compare(tp, next, noted, &mut found);
            }
        }
        found
    }

    /// Handles an answer. The count of skipped records is the difference of a log's end and its beginning, and the
    /// two may be answered separately.
    fn learn(&mut self, question: Question, answer: Answer, found: &mut Starts) {
        match (question, answer) {
            (Question::Topics, answer) => self.topics = Some(ids(answer)),
            (Question::Oldest(tp), Answer::Offset(oldest)) => *self.passed.entry(tp).or_default() -= oldest,
            (Question::Oldest(_), _) => {}
            (Question::Begin(tp), Answer::Offset(next)) => {
                let topic_id = self.topic_id(&tp.topic);
                self.passed.entry(tp.clone()).and_modify(|passed| *passed += next);
                found.insert(tp, Begin { next, topic_id, is_uncommitted: true, is_set_back: false });
            }
            (Question::Begin(tp), Answer::Failed(code)) => self.failed(tp, code),
            (Question::Begin(tp), Answer::Topics(_) | Answer::Settings(_)) => {
                self.failed(tp, RDKafkaErrorCode::Fail);
            }
        }
    }

    /// Returns the pause before a request is repeated: 100 ms, and 1 s after 10 s without success.
    fn pause(&self) -> Duration {
        if self.began.elapsed() < PATIENCE { PAUSE } else { PAUSE * 10 }
    }

    /// Adds the committed offsets to `found`, and sends requests for the partitions without a commit. Blocks for
    /// 3 s at most. Partitions that are refused stay in `uncommitted`.
    fn fetch_commits(&mut self, found: &mut Starts) {
        let consumer = self.client.consumer();
        let fetch = |list| consumer.committed_offsets(list, TIMEOUT);
        let committed = match assignment::names(&self.uncommitted).and_then(fetch) {
            Ok(committed) => committed,
            Err(error) => return self.log_refusal(&error.to_string()),
        };
        let (mut refused, mut settled) = (None, BTreeSet::new());
        let metadata = committed_metadata(&committed);
        for (element, metadata) in committed.elements().iter().zip(metadata) {
            let tp = TopicPartition::new(element.topic(), element.partition());
            match (element.error(), element.offset()) {
                (Err(error), _) => {
                    refused = Some(format!("{tp}: {error}"));
                    continue;
                }
                (Ok(()), Offset::Offset(next)) => {
                    if let Some(topic_id) = noted(&metadata) {
                        self.uncompared.push((tp.clone(), next, topic_id));
                    } else {
                        let topic_id = self.topic_id(&tp.topic);
                        let is_uncommitted = topic_id.is_some();
                        found
                            .insert(tp.clone(), Begin { next, topic_id, is_uncommitted, is_set_back: false });
                    }
                }
                (Ok(()), _) => self.ask(tp.clone()),
            }
            settled.insert(tp);
        }
        self.uncommitted.retain(|tp| !settled.contains(tp));
        if let Some(refused) = refused {
            self.log_refusal(&refused);
        }
    }

    /// Compares a committed offset's topic: the offset is valid only in the topic that it was noted with. If that is
    /// not known now, it is compared once its partition has begun.
    fn compare(&mut self, tp: TopicPartition, next: i64, noted: TopicId, found: &mut Starts) {
        let current = self.topic_id(&tp.topic);
        if current.is_none_or(|current| current == noted) {
            let begin = Begin { next, topic_id: Some(noted), is_uncommitted: false, is_set_back: false };
            found.insert(tp, begin);
            return;
        }
        let (topic, partition) = (&tp.topic, tp.partition);
        faststream_core::log::warn!(group = %self.client.context().group, %topic, partition, committed = next,
            "the topic was deleted and made again since the group committed: it is read from the new topic's beginning");
        self.remade.insert(tp.clone());
        self.ask(tp);
    }

    /// Returns the current id of a topic, if the brokers have answered and know one.
    fn topic_id(&self, topic: &str) -> Option<TopicId> {
        self.topics.as_ref()?.get(topic).cloned()
    }

    /// Returns whether the topic is another one than the group knew, and so is read from its beginning.
    fn is_made_again(&self, tp: &TopicPartition) -> bool {
        let is_other = |id: TopicId| self.client.is_made_again(&tp.topic, &id);
        let since_it_looked = self.topic_id(&tp.topic).is_some_and(is_other);
        since_it_looked || self.remade.contains(tp)
    }

    /// Requests where a partition without a commit begins: at the beginning of its log. With `start = Latest`, it is
    /// the log's end if the partition existed at the join.
    fn ask(&mut self, tp: TopicPartition) {
        let (topic, partition) = (&*tp.topic, tp.partition);
        let is_latest = self.client.request().start(topic) == Some(policy::Start::Latest);
        if is_latest && self.topics.is_none() && self.began.elapsed() < COMPARED {
            // The topic's id decides.
            return self.again.push((Instant::now() + PAUSE / 4, tp));
        }
        let begins_with = |known: &AtJoin| known.begins_with(topic, partition);
        let end = if is_latest
            && !self.is_made_again(&tp)
            && self.client.at_join().known.as_ref().is_none_or(begins_with)
        {
            End::End
        } else {
            End::Beginning
        };
        if end == End::End && !self.passed.contains_key(&tp) {
            // Answered before the next one, by the same leader. Without an answer nothing is counted.
            let _ = self.questions.ask_offset(&tp, End::Beginning, Question::Oldest);
        }
        if let Err(code) = self.questions.ask_offset(&tp, end, Question::Begin) {
            self.failed(tp, code);
        }
    }

    /// Warns about records that the group never handles: nothing is committed, and it begins at the end.
    fn warn_passed(&self) {
        let mut by_topic: BTreeMap<&str, i64> = BTreeMap::new();
        for (tp, records) in self.passed.iter().filter(|(_, records)| **records > 0) {
            *by_topic.entry(&tp.topic).or_default() += records;
        }
        for (topic, records) in by_topic {
            faststream_core::log::warn!(group = %self.client.context().group, %topic, records,
                "the group has committed nothing here and begins at the end (`start = Latest`): the records that are there are not \
                 handled; if it had committed before, the broker has forgotten that (offsets.retention.minutes)");
        }
    }

    /// Schedules a retry for a partition without an answer, which delays no other.
    fn failed(&mut self, tp: TopicPartition, code: RDKafkaErrorCode) {
        let text = format_args!("where {}/{} begins, asked again: {code}", tp.topic, tp.partition);
        self.client.context().errors.log("offset query", text);
        // Its leader may have changed: the known one is as old as the first request.
        if self.refreshed.is_none_or(|at| at.elapsed() > REFRESHED) {
            let _ = self.client.consumer().fetch_metadata(Some(&tp.topic), REFRESHED);
            self.refreshed = Some(Instant::now());
        }
        self.again.push((Instant::now() + self.pause(), tp));
    }

    /// Logs that the commits could not be fetched, once a minute.
    fn log_refusal(&self, error: &str) {
        let count = self.uncommitted.len();
        let text = format_args!("fetching committed offsets of {count} partitions, tried again: {error}");
        self.client.context().errors.log("offset fetch", text);
    }
}

/// Returns the ids in an answer. Topics without one, and errors, are left out: their partitions are compared
/// later.
fn ids(answer: Answer) -> BTreeMap<String, TopicId> {
    let Answer::Topics(topics) = answer else { return BTreeMap::new() };
    topics.into_iter().filter_map(|(topic, id)| Some((topic, id.ok()??))).collect()
}

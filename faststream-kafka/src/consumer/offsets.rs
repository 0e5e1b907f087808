//! Where partitions begin: the group's committed offsets, fetched by us, because librdkafka gives up at some errors and
//! leaves the partition deaf.

use faststream_core::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::{AtJoin, GroupRequest};
use faststream_core::policy;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode;

use super::assignment;
use super::client::ConsumerClient;
use super::topic_ids::noted;
use crate::native::{AdminQueue, Answer, End, TopicId, committed_metadata};

const TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
/// After this long without an answer, it is asked once a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// What an assignment waits for its offsets; later its partitions are begun once they are known.
const AWAITED: Duration = Duration::from_secs(1);
/// What it waits for the next of them when some are known.
const GATHERED: Duration = Duration::from_millis(250);
/// What an offset whose topic was noted waits for the answer which topics there are; later they are compared after it began.
const COMPARED: Duration = Duration::from_millis(300);
/// The pause before a fetch whose thread could not be started, or died, is begun again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where a partition begins.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    /// The next offset.
    pub(super) next: i64,
    /// The topic that this is an offset of, if that is known.
    pub(super) topic_id: Option<TopicId>,
    /// It is not what the group has committed, and has to be.
    pub(super) is_uncommitted: bool,
}

/// Where some partitions begin.
pub(super) type Starts = BTreeMap<TopicPartition, Begin>;

/// A fetch under way, on a thread of its own.
pub(super) struct OffsetFetch {
    client: Arc<ConsumerClient>,
    request: Arc<GroupRequest>,
    /// Those whose offsets are not known yet.
    partitions: Vec<TopicPartition>,
    began: Instant,
    /// When the thread was started.
    asked: Instant,
    /// When something became known last.
    last: Option<Instant>,
    answers: Receiver<Starts>,
    /// Nobody waits any more: the thread ends, though it has nothing to tell.
    over: Arc<AtomicBool>,
}

impl OffsetFetch {
    pub(super) fn begin(
        client: &Arc<ConsumerClient>,
        request: &Arc<GroupRequest>,
        partitions: Vec<TopicPartition>,
    ) -> Self {
        let (client, request) = (Arc::clone(client), Arc::clone(request));
        let over = Arc::default();
        let answers = ask(&client, &request, &partitions, &over);
        let now = Instant::now();
        Self { client, request, partitions, began: now, asked: now, last: None, answers, over }
    }

    /// What has become known since the last call. One partition that cannot be asked about holds up no other.
    pub(super) fn known_now(&mut self) -> Starts {
        let mut known = Starts::new();
        loop {
            match self.answers.try_recv() {
                Ok(starts) => known.extend(starts),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if !self.partitions.is_empty() && self.asked.elapsed() > AGAIN {
                        self.answers = ask(&self.client, &self.request, &self.partitions, &self.over);
                        self.asked = Instant::now();
                    }
                    break;
                }
            }
        }
        known.retain(|tp, _| self.partitions.contains(tp));
        if !known.is_empty() {
            self.partitions.retain(|tp| !known.contains_key(tp));
            self.last = Some(Instant::now());
        }
        known
    }

    /// Whether what is known has waited for the rest long enough: not all of it comes at once.
    pub(super) fn is_held_up(&self) -> bool {
        self.began.elapsed() >= AWAITED || self.last.is_some_and(|last| last.elapsed() >= GATHERED)
    }

    pub(super) fn is_done(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Nobody waits for these any more.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.partitions.retain(|tp| !partitions.contains(tp));
    }
}

impl Drop for OffsetFetch {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}

fn ask(
    client: &Arc<ConsumerClient>,
    request: &Arc<GroupRequest>,
    partitions: &[TopicPartition],
    over: &Arc<AtomicBool>,
) -> Receiver<Starts> {
    let (sender, answers) = channel();
    let (asking, request, partitions) = (Arc::clone(client), Arc::clone(request), partitions.to_vec());
    let over = Arc::clone(over);
    let run = move || run(&asking, &request, partitions, &sender, &over);
    if let Err(error) = thread::Builder::new().name("fs-offsets".into()).spawn(run) {
        let text = format_args!("no thread to fetch offsets on, tried again: {error}");
        client.context().errors.log("offset thread", text);
    }
    answers
}

fn run(
    client: &Arc<ConsumerClient>,
    request: &GroupRequest,
    partitions: Vec<TopicPartition>,
    answers: &Sender<Starts>,
    over: &AtomicBool,
) {
    let Some(queue) = AdminQueue::new(client) else { return };
    let topics: BTreeSet<&str> = partitions.iter().map(|tp| &*tp.topic).collect();
    // Before the commits: an id that is older than an offset is noticed later, one that is newer never.
    let is_asking = queue.ask_topics(TOPICS, topics.into_iter(), TIMEOUT).is_ok();
    let mut search = Search {
        client,
        request,
        queue,
        began: Instant::now(),
        topics: if is_asking { None } else { Some(BTreeMap::new()) },
        uncompared: Vec::new(),
        remade: BTreeSet::new(),
        uncommitted: partitions,
        next_fetch: None,
        asked: BTreeMap::new(),
        again: Vec::new(),
        questions: 0,
        refreshed: None,
        oldest: BTreeMap::new(),
        passed: BTreeMap::new(),
    };
    while !search.is_done() && !over.load(SeqCst) && !client.context().closing.load(SeqCst) {
        let found = search.turn();
        if !found.is_empty() && answers.send(found).is_err() {
            // Nobody waits any more: the membership ended meanwhile.
            return;
        }
    }
    search.warn_passed();
}

/// What is still looked for.
struct Search<'a> {
    client: &'a Arc<ConsumerClient>,
    request: &'a GroupRequest,
    queue: AdminQueue,
    began: Instant,
    /// Which topics there are; `None` until that is answered.
    topics: Option<BTreeMap<String, TopicId>>,
    /// Committed offsets of topics that are to be compared with those.
    uncompared: Vec<(TopicPartition, i64, TopicId)>,
    /// Those whose commits are of a topic that is no more.
    remade: BTreeSet<TopicPartition>,
    /// Those whose commits are not known.
    uncommitted: Vec<TopicPartition>,
    /// When these are fetched; at once if `None`.
    next_fetch: Option<Instant>,
    /// Those whose leader was asked where the log begins or ends, by the number of the question. Each waits for its own.
    asked: BTreeMap<usize, TopicPartition>,
    /// Those whose leader did not say, and when it is asked again.
    again: Vec<(Instant, TopicPartition)>,
    questions: usize,
    /// Those that begin at their end, whose leader was asked what is before it, by the number of the question.
    oldest: BTreeMap<usize, TopicPartition>,
    /// How many records are there before the end of each.
    passed: BTreeMap<TopicPartition, i64>,
    /// When the leaders were last looked up because of an error.
    refreshed: Option<Instant>,
}

impl Search<'_> {
    fn is_done(&self) -> bool {
        self.uncommitted.is_empty()
            && self.uncompared.is_empty()
            && self.asked.is_empty()
            && self.again.is_empty()
    }

    /// Asks what is due, and waits a moment for answers.
    fn turn(&mut self) -> Starts {
        let mut found = Starts::new();
        let now = Instant::now();
        if !self.uncommitted.is_empty() && self.next_fetch.is_none_or(|next| next <= now) {
            self.fetch_commits(&mut found);
            self.next_fetch = Some(Instant::now() + self.pause());
        }
        let (due, later) = std::mem::take(&mut self.again).into_iter().partition(|(at, _)| *at <= now);
        self.again = later;
        let due: Vec<(Instant, TopicPartition)> = due;
        for (_, tp) in due {
            self.ask(tp);
        }
        let mut wait = if found.is_empty() { PAUSE / 2 } else { Duration::ZERO };
        while let Some((number, answer)) = self.queue.next(wait) {
            wait = Duration::ZERO;
            if let Some(tp) = self.oldest.remove(&number) {
                if let Answer::Offset(oldest) = answer {
                    *self.passed.entry(tp).or_default() -= oldest;
                }
                continue;
            }
            let Some(tp) = self.asked.remove(&number) else {
                self.topics = Some(ids(answer));
                continue;
            };
            match answer {
                Answer::Offset(next) => {
                    let topic_id = self.topic_id(&tp.topic);
                    self.passed.entry(tp.clone()).and_modify(|passed| *passed += next);
                    drop(found.insert(tp, Begin { next, topic_id, is_uncommitted: true }));
                }
                Answer::Failed(code) => self.failed(tp, code),
                Answer::Topics(_) | Answer::Settings(_) => self.failed(tp, RDKafkaErrorCode::Fail),
            }
        }
        if self.topics.is_some() || self.began.elapsed() > COMPARED {
            for (tp, next, noted) in std::mem::take(&mut self.uncompared) {
                self.compare(tp, next, noted, &mut found);
            }
        }
        found
    }

    fn pause(&self) -> Duration {
        if self.began.elapsed() < PATIENCE { PAUSE } else { PAUSE * 10 }
    }

    /// Adds to `found` what is committed, and asks about what is not.
    fn fetch_commits(&mut self, found: &mut Starts) {
        let consumer = self.client.consumer();
        let starts: Vec<_> = self.uncommitted.iter().map(|tp| (tp.clone(), None)).collect();
        let asked = assignment::list(&starts).map_err(|error| error.to_string());
        let fetch = |list| consumer.committed_offsets(list, TIMEOUT).map_err(|error| error.to_string());
        let committed = match asked.and_then(fetch) {
            Ok(committed) => committed,
            Err(error) => return self.tell(&error),
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
                        found.insert(tp.clone(), Begin { next, topic_id, is_uncommitted });
                    }
                }
                (Ok(()), _) => self.ask(tp.clone()),
            }
            settled.insert(tp);
        }
        self.uncommitted.retain(|tp| !settled.contains(tp));
        if let Some(refused) = refused {
            self.tell(&refused);
        }
    }

    /// A committed offset holds in the topic that it was noted with. If that cannot be told now, it is compared once its
    /// partition has begun.
    fn compare(&mut self, tp: TopicPartition, next: i64, noted: TopicId, found: &mut Starts) {
        let current = self.topic_id(&tp.topic);
        if current.is_none_or(|current| current == noted) {
            let begin = Begin { next, topic_id: Some(noted), is_uncommitted: false };
            found.insert(tp, begin);
            return;
        }
        let (topic, partition) = (&tp.topic, tp.partition);
        faststream_core::log::warn!(group = %self.request.group, %topic, partition, committed = next,
            "the topic was deleted and made again since the group committed: it is read from the new topic's beginning");
        self.remade.insert(tp.clone());
        self.ask(tp);
    }

    fn topic_id(&self, topic: &str) -> Option<TopicId> {
        self.topics.as_ref()?.get(topic).cloned()
    }

    /// Whether the topic is another one than the group knew, which is read from its beginning.
    fn is_made_again(&self, tp: &TopicPartition) -> bool {
        let is_other = |id: TopicId| self.client.is_made_again(&tp.topic, &id);
        let since_it_looked = self.topic_id(&tp.topic).is_some_and(is_other);
        since_it_looked || self.remade.contains(tp)
    }

    /// Asks where a partition without a commit begins: where its log does, or ends as far as the group found it.
    fn ask(&mut self, tp: TopicPartition) {
        let (topic, partition) = (&*tp.topic, tp.partition);
        let is_latest = self.request.start(topic) == Some(policy::Start::Latest);
        if is_latest && self.topics.is_none() && self.began.elapsed() < COMPARED {
            // Which topic it is decides.
            return self.again.push((Instant::now() + PAUSE / 4, tp));
        }
        let begins_with = |known: &AtJoin| known.begins_with(topic, partition);
        let end = if is_latest && !self.is_made_again(&tp) && self.client.at_join().is_none_or(begins_with) {
            End::End
        } else {
            End::Beginning
        };
        if end == End::End && !self.passed.contains_key(&tp) {
            self.questions += 1;
            // Answered before the next one, by the same leader.
            if self.queue.ask_offset(self.questions, (topic, partition), End::Beginning, TIMEOUT).is_ok() {
                self.oldest.insert(self.questions, tp.clone());
            }
        }
        self.questions += 1;
        match self.queue.ask_offset(self.questions, (topic, partition), end, TIMEOUT) {
            Ok(()) => drop(self.asked.insert(self.questions, tp)),
            Err(code) => self.failed(tp, code),
        }
    }

    /// Records that nobody of the group ever handles: nothing is committed, and it begins at the end.
    fn warn_passed(&self) {
        let mut by_topic: BTreeMap<&str, i64> = BTreeMap::new();
        for (tp, records) in self.passed.iter().filter(|(_, records)| **records > 0) {
            *by_topic.entry(&tp.topic).or_default() += records;
        }
        for (topic, records) in by_topic {
            faststream_core::log::warn!(group = %self.request.group, %topic, records,
                "the group has committed nothing here and begins at the end (`start = Latest`): the records that are there are not \
                 handled; if it had committed before, the broker has forgotten that (offsets.retention.minutes)");
        }
    }

    /// One that has no answer holds up no other.
    fn failed(&mut self, tp: TopicPartition, code: RDKafkaErrorCode) {
        let text = format_args!("where {}/{} begins, asked again: {code}", tp.topic, tp.partition);
        self.client.context().errors.log("offset query", text);
        // Its leader may be another one by now: what is known of it is as old as that of the first question.
        if self.refreshed.is_none_or(|at| at.elapsed() > AGAIN) {
            let _ = self.client.consumer().fetch_metadata(Some(&tp.topic), AGAIN);
            self.refreshed = Some(Instant::now());
        }
        self.again.push((Instant::now() + self.pause(), tp));
    }

    fn tell(&self, error: &str) {
        let count = self.uncommitted.len();
        let text = format_args!("fetching committed offsets of {count} partitions, tried again: {error}");
        self.client.context().errors.log("offset fetch", text);
    }
}

fn ids(answer: Answer) -> BTreeMap<String, TopicId> {
    let Answer::Topics(topics) = answer else { return BTreeMap::new() };
    topics.into_iter().filter_map(|(topic, id)| Some((topic, id.ok()??))).collect()
}

/// The number of the question which topics there are.
const TOPICS: usize = 0;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use rdkafka::ClientConfig;
    use rdkafka::consumer::BaseConsumer;

    use super::super::context::GroupContext;
    use super::*;
    use crate::error_log::ErrorLog;

    /// How many threads fetch offsets.
    fn fetching() -> usize {
        let tasks = fs::read_dir("/proc/self/task").expect("threads").filter_map(Result::ok);
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "fs-offsets").count()
    }

    fn until(what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(20), "not in time: {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_fetch_that_nobody_waits_for_keeps_no_thread() {
        let consumer: BaseConsumer<GroupContext> = ClientConfig::new()
            // Nobody listens there.
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("group.id", "nobody")
            .create_with_context(GroupContext::new("nobody".into(), Arc::new(ErrorLog::new("test"))))
            .expect("a client");
        let client = ConsumerClient::new(consumer);
        let request = Arc::new(GroupRequest {
            group: "nobody".into(),
            topics: BTreeMap::new(),
            patterns: Vec::new(),
            commit_interval: Duration::from_secs(1),
            drain: Duration::from_secs(5),
        });
        let mut fetches: Vec<OffsetFetch> = (0..5)
            .map(|partition| {
                OffsetFetch::begin(&client, &request, vec![TopicPartition::new("topic", partition)])
            })
            .collect();
        until("they ask", || fetching() == 5);
        for fetch in &mut fetches {
            fetch.forget(&[TopicPartition::new("topic", 0)]);
        }
        fetches.retain(|fetch| !fetch.is_done());
        assert_eq!(fetches.len(), 4);
        drop(fetches);
        until("their threads have ended", || fetching() == 0);
    }
}

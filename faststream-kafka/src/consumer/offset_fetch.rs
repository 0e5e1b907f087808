//! Fetches the group's committed offsets, where partitions begin. We fetch them because librdkafka gives up at
//! some errors and leaves the partition stalled.
//!
//! This file is the control thread's side: it starts the thread, takes its answers without waiting, and decides
//! how long an assignment waits for them. `offset_search.rs` is the thread's side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;

use super::client::ConsumerClient;
use super::offset_search;
use crate::native::TopicId;

/// How long an assignment waits for its offsets, while librdkafka pauses all partitions of the client. Later, its
/// partitions begin once their offsets are known.
const AWAITED: Duration = Duration::from_secs(1);
/// How long it waits for the next offset when some are known.
const GATHERED: Duration = Duration::from_millis(250);
/// The pause before a fetch whose thread could not be started, or died, is started again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where a partition begins.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    /// The next offset: that of the first record to be handled.
    pub(super) next: i64,
    /// The topic that this offset belongs to, if known. Brokers before Kafka 2.8 have no topic ids.
    pub(super) topic_id: Option<TopicId>,
    /// Whether the group has not committed this offset, and has to: the partition begins without a commit, or the
    /// commit lacks the topic's id.
    pub(super) is_uncommitted: bool,
    /// Whether the group may have committed a later offset, on purpose: a seek went backwards.
    pub(super) is_set_back: bool,
}

/// Where some partitions begin.
pub(super) type Starts = BTreeMap<TopicPartition, Begin>;

/// A fetch in progress, on a separate thread. Dropping it ends the thread within a few seconds, after the request
/// in progress.
pub(super) struct OffsetFetch {
    /// The client that asks; held to start the thread again.
    client: Arc<ConsumerClient>,
    /// The partitions whose offsets are not known yet.
    partitions: Vec<TopicPartition>,
    /// When the assignment began to wait.
    began: Instant,
    /// When the thread was started.
    asked: Instant,
    /// When an offset became known last.
    last: Option<Instant>,
    /// The thread's answers, in any order of partitions. Closed once the thread has ended.
    answers: Receiver<Starts>,
    /// Nothing waits any more: the thread ends, although it has no result.
    over: Arc<AtomicBool>,
}

impl OffsetFetch {
    /// Starts to fetch the offsets of these partitions.
    pub(super) fn begin(client: &Arc<ConsumerClient>, partitions: Vec<TopicPartition>) -> Self {
        let over = Arc::default();
        let answers = ask(client, &partitions, &over);
        let now = Instant::now();
        let client = Arc::clone(client);
        Self { client, partitions, began: now, asked: now, last: None, answers, over }
    }

    /// Returns the offsets that became known since the last call. A partition whose broker does not answer delays no
    /// other.
    pub(super) fn known_now(&mut self) -> Starts {
        let mut known = Starts::new();
        loop {
            match self.answers.try_recv() {
                Ok(starts) => known.extend(starts),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if !self.partitions.is_empty() && self.asked.elapsed() > AGAIN {
                        self.answers = ask(&self.client, &self.partitions, &self.over);
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

    /// Returns whether the known offsets have waited long enough for the rest, because they do not all arrive at
    /// once: 1 s since the beginning, or 250 ms since the last of them.
    pub(super) fn is_held_up(&self) -> bool {
        self.began.elapsed() >= AWAITED || self.last.is_some_and(|last| last.elapsed() >= GATHERED)
    }

    /// Returns whether no partition waits for its offset any more.
    pub(super) fn is_done(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Drops these partitions, because nothing waits for them any more.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.partitions.retain(|tp| !partitions.contains(tp));
    }
}

impl Drop for OffsetFetch {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}

/// Starts the thread. If there is none, that is logged, and the closed receiver makes `OffsetFetch::known_now` try
/// again a second later.
fn ask(
    client: &Arc<ConsumerClient>,
    partitions: &[TopicPartition],
    over: &Arc<AtomicBool>,
) -> Receiver<Starts> {
    let (sender, answers) = channel();
    let (asking, partitions, over) = (Arc::clone(client), partitions.to_vec(), Arc::clone(over));
    let run = move || offset_search::run(&asking, partitions, &sender, &over);
    if let Err(error) = thread::Builder::new().name("fs-offsets".into()).spawn(run) {
        let text = format_args!("no thread to fetch offsets on, tried again: {error}");
        client.context().errors.log("offset thread", text);
    }
    answers
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use super::*;
    use crate::consumer::test_client;

    /// Returns how many threads fetch offsets.
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
        let client = test_client();
        let mut fetches: Vec<OffsetFetch> = (0..5)
            .map(|partition| OffsetFetch::begin(&client, vec![TopicPartition::new("topic", partition)]))
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

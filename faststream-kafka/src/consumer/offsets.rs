//! Where partitions begin: the group's committed offsets, fetched by us, because librdkafka gives up at some errors and
//! leaves the partition deaf.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::{AtJoin, GroupRequest};
use faststream_core::policy;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::Offset;

use super::assignment;
use super::client::Client;
use super::context::Place;

const TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
/// After this long without an answer, it is asked once a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before a fetch whose thread could not be started, or died, is begun again.
const AGAIN: Duration = Duration::from_secs(1);

/// The next offset of some partitions.
pub(super) type Starts = BTreeMap<Place, i64>;

/// A fetch under way, on a thread of its own.
pub(super) struct OffsetFetch {
    client: Arc<Client>,
    request: Arc<GroupRequest>,
    /// Those whose offsets are not known yet.
    places: Vec<Place>,
    pub(super) began: Instant,
    /// When the thread was started.
    asked: Instant,
    answers: Receiver<Starts>,
    /// Nobody waits any more: the thread ends, though it has nothing to tell.
    over: Arc<AtomicBool>,
}

impl OffsetFetch {
    pub(super) fn begin(client: &Arc<Client>, request: &Arc<GroupRequest>, places: Vec<Place>) -> Self {
        let (client, request) = (Arc::clone(client), Arc::clone(request));
        let over = Arc::default();
        let answers = ask(&client, &request, &places, &over);
        let now = Instant::now();
        Self { client, request, places, began: now, asked: now, answers, over }
    }

    /// What has become known since the last call. One partition that cannot be asked about holds up no other.
    pub(super) fn news(&mut self) -> Starts {
        let mut known = Starts::new();
        loop {
            match self.answers.try_recv() {
                Ok(starts) => known.extend(starts),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if !self.places.is_empty() && self.asked.elapsed() > AGAIN {
                        self.answers = ask(&self.client, &self.request, &self.places, &self.over);
                        self.asked = Instant::now();
                    }
                    break;
                }
            }
        }
        known.retain(|place, _| self.places.contains(place));
        self.places.retain(|place| !known.contains_key(place));
        known
    }

    pub(super) fn is_done(&self) -> bool {
        self.places.is_empty()
    }

    /// Nobody waits for these any more.
    pub(super) fn forget(&mut self, places: &[Place]) {
        self.places.retain(|place| !places.contains(place));
    }
}

impl Drop for OffsetFetch {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}

fn ask(
    client: &Arc<Client>,
    request: &Arc<GroupRequest>,
    places: &[Place],
    over: &Arc<AtomicBool>,
) -> Receiver<Starts> {
    let (sender, answers) = channel();
    let (asking, request, places) = (Arc::clone(client), Arc::clone(request), places.to_vec());
    let over = Arc::clone(over);
    let run = move || run(&asking, &request, places, &sender, &over);
    if let Err(error) = thread::Builder::new().name("fs-offsets".into()).spawn(run) {
        let text = format_args!("no thread to fetch offsets on, tried again: {error}");
        client.context().errors.tell("offset thread", text);
    }
    answers
}

fn run(
    client: &Client,
    request: &GroupRequest,
    mut places: Vec<Place>,
    answers: &Sender<Starts>,
    over: &AtomicBool,
) {
    let began = Instant::now();
    while !places.is_empty() && !over.load(SeqCst) && !client.context().closing.load(SeqCst) {
        let mut known = Starts::new();
        let fetched = fetch(client, request, &places, &mut known);
        places.retain(|place| !known.contains_key(place));
        if !known.is_empty() && answers.send(known).is_err() {
            // Nobody waits any more: the membership ended meanwhile.
            return;
        }
        let Err(error) = fetched else { continue };
        let text =
            format_args!("fetching committed offsets of {} partitions, tried again: {error}", places.len());
        client.context().errors.tell("offset fetch", text);
        thread::sleep(if began.elapsed() < PATIENCE { PAUSE } else { PAUSE * 10 });
    }
}

/// Adds to `known` what could be fetched; the last error of what could not.
fn fetch(
    client: &Client,
    request: &GroupRequest,
    places: &[Place],
    known: &mut Starts,
) -> Result<(), String> {
    let consumer = client.consumer();
    let starts: Vec<_> = places.iter().map(|place| (place.clone(), None)).collect();
    let asked = assignment::list(&starts).map_err(|error| error.to_string())?;
    let committed = consumer.committed_offsets(asked, TIMEOUT).map_err(|error| error.to_string())?;
    let mut result = Ok(());
    for element in committed.elements() {
        if client.context().closing.load(SeqCst) {
            break;
        }
        let (topic, partition) = (element.topic(), element.partition());
        let next = match (element.error(), element.offset()) {
            (Err(error), _) => Err(error),
            (Ok(()), Offset::Offset(next)) => Ok(next),
            // Nothing is committed: where the log begins, or ends as far as the group found it.
            (Ok(()), _) => consumer.fetch_watermarks(topic, partition, TIMEOUT).map(|(low, high)| {
                let is_latest = request.start(topic) == Some(policy::Start::Latest);
                let begins_with = |known: &AtJoin| known.begins_with(topic, partition);
                if is_latest && client.at_join().is_none_or(begins_with) { high } else { low }
            }),
        };
        match next {
            Ok(next) => drop(known.insert((topic.into(), partition), next)),
            Err(error) => result = Err(format!("{topic}/{partition}: {error}")),
        }
    }
    result
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use rdkafka::ClientConfig;
    use rdkafka::consumer::BaseConsumer;

    use super::super::context::GroupContext;
    use super::*;

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
            .create_with_context(GroupContext::new("nobody".into(), "test".into()))
            .expect("a client");
        let client = Client::new(consumer);
        let request = Arc::new(GroupRequest {
            group: "nobody".into(),
            topics: BTreeMap::new(),
            patterns: Vec::new(),
            commit_interval: Duration::from_secs(1),
        });
        let mut fetches: Vec<OffsetFetch> = (0..5)
            .map(|partition| OffsetFetch::begin(&client, &request, vec![("topic".into(), partition)]))
            .collect();
        until("they ask", || fetching() == 5);
        for fetch in &mut fetches {
            fetch.forget(&[("topic".into(), 0)]);
        }
        fetches.retain(|fetch| !fetch.is_done());
        assert_eq!(fetches.len(), 4);
        drop(fetches);
        until("their threads have ended", || fetching() == 0);
    }
}

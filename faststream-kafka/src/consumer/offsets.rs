//! Where partitions begin: the group's committed offsets, fetched by us, because librdkafka gives up at some errors and
//! leaves the partition deaf.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::GroupRequest;
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

/// A fetch under way, on a thread of its own.
pub(super) struct OffsetFetch {
    pub(super) places: Vec<Place>,
    pub(super) began: Instant,
    answer: Receiver<BTreeMap<Place, i64>>,
}

impl OffsetFetch {
    pub(super) fn begin(client: &Arc<Client>, request: &Arc<GroupRequest>, places: Vec<Place>) -> Self {
        let (sender, answer) = channel();
        let fetch = Self { places: places.clone(), began: Instant::now(), answer };
        let (client, request) = (Arc::clone(client), Arc::clone(request));
        let group = Arc::clone(&request.group);
        let run = move || run(&client, &request, &places, &sender);
        if let Err(error) = thread::Builder::new().name("fs-offsets".into()).spawn(run) {
            tracing::error!(%group, "no thread to fetch offsets on: {error}");
        }
        fetch
    }

    /// The next offset of each partition, once they are known.
    pub(super) fn answer(&self) -> Option<BTreeMap<Place, i64>> {
        self.answer.try_recv().ok()
    }

    /// Nobody waits for these any more.
    pub(super) fn forget(&mut self, places: &[Place]) {
        self.places.retain(|place| !places.contains(place));
    }
}

fn run(client: &Client, request: &GroupRequest, places: &[Place], answer: &Sender<BTreeMap<Place, i64>>) {
    let began = Instant::now();
    loop {
        match fetch(client, request, places) {
            Ok(starts) => {
                // Nobody waits any more: the membership ended meanwhile.
                let _ = answer.send(starts);
                return;
            }
            Err(error) => {
                let text = format_args!(
                    "fetching committed offsets of {} partitions, tried again: {error}",
                    places.len()
                );
                client.context().errors.tell("offset fetch", text);
            }
        }
        if client.context().closing.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
        thread::sleep(if began.elapsed() < PATIENCE { PAUSE } else { PAUSE * 10 });
    }
}

fn fetch(client: &Client, request: &GroupRequest, places: &[Place]) -> Result<BTreeMap<Place, i64>, String> {
    let consumer = client.consumer();
    let starts: Vec<_> = places.iter().map(|place| (place.clone(), None)).collect();
    let asked = assignment::list(&starts).map_err(|error| error.to_string())?;
    let committed = consumer.committed_offsets(asked, TIMEOUT).map_err(|error| error.to_string())?;
    let mut starts = BTreeMap::new();
    for element in committed.elements() {
        let place: Place = (element.topic().into(), element.partition());
        let say = |error| format!("{}/{}: {error}", element.topic(), element.partition());
        element.error().map_err(say)?;
        let next = if let Offset::Offset(next) = element.offset() {
            next
        } else {
            let watermarks = consumer.fetch_watermarks(element.topic(), element.partition(), TIMEOUT);
            let (low, high) = watermarks.map_err(say)?;
            if request.start(element.topic()) == Some(policy::Start::Latest) { high } else { low }
        };
        starts.insert(place, next);
    }
    Ok(starts)
}

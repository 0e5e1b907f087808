//! The current problems of a membership, for its health: updated once a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use faststream_core::broker::Remedy;
use rdkafka::consumer::Consumer;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::classify::remedy;
use super::client::ConsumerClient;
use super::joining::{Others, SAID, Wanted, message, nothing_to_read};
use super::partitions::Partitions;

const EVERY: Duration = Duration::from_secs(1);
/// How long a request to the coordinator may take, and how often it is repeated.
const ASKED: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_secs(30);
/// Statistics come every 2 s: they are newer than an error of this age.
const NEWS: Duration = Duration::from_secs(5);

/// How often topics without new records are checked.
const TOPICS: Duration = Duration::from_secs(2);
/// How many topics are checked at a time.
const TOPICS_MOST: usize = 20;

type Answer = Result<Others, String>;

/// A topic, and why it cannot be read.
type Unavailable = (String, String);

/// The known problems.
pub(super) struct Problems {
    wanted: Wanted,
    /// Returns how long the broker waits for a silent member.
    session: Box<dyn Fn() -> Duration + Send>,
    next: Instant,
    /// When the coordinator was asked about the other members, and the receiver of its answer.
    asked: Option<(Instant, Receiver<Answer>)>,
    others: Option<Answer>,
    /// The sum of the positions in each topic's partitions.
    positions: BTreeMap<Arc<str>, i64>,
    /// When topics without new records were checked, and the receiver of the answer.
    looked: Option<(Instant, Receiver<Vec<Unavailable>>)>,
    /// The topics that cannot be read, one sentence each.
    unavailable: Vec<String>,
}

impl Problems {
    pub(super) fn new(wanted: Wanted, session: Box<dyn Fn() -> Duration + Send>) -> Self {
        Self {
            wanted,
            session,
            next: Instant::now(),
            asked: None,
            others: None,
            looked: None,
            unavailable: Vec::new(),
            positions: BTreeMap::new(),
        }
    }

    /// Returns the assignment method that this member requests.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

impl Problems {
    /// Returns the possible remedy for a client that this error made unusable.
    pub(super) fn remedy(&self, code: RDKafkaErrorCode) -> Remedy {
        remedy(code, &*self.session)
    }

    /// Returns all problems, if it is time to check for them. `commit_pause` is the pause before the next commit, zero
    /// if the last one did not cost the membership.
    pub(super) fn look(
        &mut self,
        client: &Arc<ConsumerClient>,
        partitions: &Partitions,
        commit_pause: Duration,
    ) -> Option<Vec<String>> {
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + EVERY;
        let mut all = Vec::new();
        all.extend(self.not_joined(client, now));
        all.extend(refused_fetches(client, partitions));
        all.extend(self.unavailable_topics(client, partitions, now));
        if !commit_pause.is_zero() {
            all.push(format!(
                "its last commit was refused as if it were no member, which cost the membership: no other is sent before \
                 {commit_pause:?} have passed"
            ));
        }
        Some(all)
    }

    /// Returns the problem of a client that cannot join.
    fn not_joined(&mut self, client: &Arc<ConsumerClient>, now: Instant) -> Option<String> {
        let context = client.context();
        let Some((outside, refusal)) = context.joining.outside().filter(|(outside, _)| *outside > SAID)
        else {
            (self.asked, self.others) = (None, None);
            return None;
        };
        if let Some(awaited) = context.joining.awaited().filter(|_| refusal.is_none()) {
            let message = nothing_to_read(outside, &awaited);
            context.errors.log("no topic", &message);
            return Some(message);
        }
        if self.asked.as_ref().is_none_or(|(asked, _)| now > *asked + AGAIN) {
            self.asked = Some((now, ask(client)));
        }
        if let Some((_, answers)) = &self.asked
            && let Ok(answer) = answers.try_recv()
        {
            self.others = Some(answer);
        }
        // Reported a moment later, with the other members.
        let others = self.others.as_ref()?;
        let others = others.as_ref().map_err(String::as_str);
        let message = message(outside, &self.wanted, refusal.as_deref(), others);
        context.errors.log("not joined", &message);
        Some(message)
    }

    /// Returns the topics that do not exist, or that this user may not see: librdkafka omits them without an error.
    fn unavailable_topics(
        &mut self,
        client: &Arc<ConsumerClient>,
        partitions: &Partitions,
        now: Instant,
    ) -> Vec<String> {
        if let Some((_, answers)) = &self.looked
            && let Ok(unavailable) = answers.try_recv()
        {
            for (topic, message) in &unavailable {
                // The same key as in the search for topics.
                client.context().errors.log(&format!("missing {topic}"), message);
            }
            self.unavailable = unavailable.into_iter().map(|(_, message)| message).collect();
        }
        if self.looked.as_ref().is_none_or(|(looked, _)| now > *looked + TOPICS) {
            let silent = self.silent_topics(client, partitions);
            self.looked = Some((now, look(client, silent)));
        }
        self.unavailable.clone()
    }

    /// Returns the topics without new records since the last call: idle, or unavailable.
    fn silent_topics(&mut self, client: &ConsumerClient, partitions: &Partitions) -> Vec<String> {
        let named = client.request().topics.keys();
        let mut positions: BTreeMap<Arc<str>, i64> = named.map(|topic| (topic.as_str().into(), 0)).collect();
        for lane in partitions.lanes() {
            *positions.entry(Arc::clone(&lane.tp.topic)).or_default() += lane.position();
        }
        let before = std::mem::replace(&mut self.positions, positions);
        let is_silent = |(topic, position): &(&Arc<str>, &i64)| {
            before.get(*topic).is_none_or(|before| before == *position)
        };
        let silent = self.positions.iter().filter(is_silent);
        silent.map(|(topic, _)| topic.to_string()).take(TOPICS_MOST).collect()
    }
}

/// Returns the partitions whose fetches are refused, by topic and reason.
fn refused_fetches(client: &ConsumerClient, partitions: &Partitions) -> Vec<String> {
    let mut refused: BTreeMap<(&str, String), Vec<i32>> = BTreeMap::new();
    for lane in partitions.lanes() {
        let Some((error, age)) = lane.refusal() else { continue };
        if age > NEWS && client.context().is_answered(&lane.tp) == Some(true) {
            lane.relent();
            continue;
        }
        let TopicPartition { topic, partition } = &lane.tp;
        refused.entry((topic, format!("{error:?}"))).or_default().push(*partition);
    }
    let say = |((topic, error), partitions): ((&str, String), Vec<i32>)| {
        let cure = if error.contains("AUTHORIZATION") { "; let this user read the topic" } else { "" };
        format!("nothing can be fetched from {topic}, partitions {partitions:?}: {error}{cure}")
    };
    refused.into_iter().map(say).collect()
}

/// Checks which of these topics cannot be read, on a separate thread.
fn look(client: &Arc<ConsumerClient>, topics: Vec<String>) -> Receiver<Vec<Unavailable>> {
    let (sender, answer) = channel();
    let asking = Arc::clone(client);
    let run = move || {
        let why = |topic: String| unavailable(&asking, &topic).map(|message| (topic, message));
        let unavailable = topics.into_iter().filter_map(why).collect();
        // The receiver may be dropped.
        let _ = sender.send(unavailable);
    };
    if let Err(error) = thread::Builder::new().name("fs-topics".into()).spawn(run) {
        client
            .context()
            .errors
            .log("topics thread", format_args!("no thread to look for topics on: {error}"));
    }
    answer
}

/// Returns why the topic cannot be read, if it cannot. Problems of the brokers are reported elsewhere.
fn unavailable(client: &ConsumerClient, topic: &str) -> Option<String> {
    let metadata = client.consumer().fetch_metadata(Some(topic), ASKED).ok()?;
    let error = metadata.topics().iter().find(|known| known.name() == topic)?.error()?;
    match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => {
            Some(format!("the topic `{topic}` cannot be read: let this user describe and read it"))
        }
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => {
            Some(format!("the topic `{topic}` does not exist, or may not be described: waiting for it"))
        }
        _ => None,
    }
}

/// Requests the members of the group, on a separate thread.
fn ask(client: &Arc<ConsumerClient>) -> Receiver<Answer> {
    let (sender, answer) = channel();
    let (asking, refused) = (Arc::clone(client), sender.clone());
    let run = move || {
        // The receiver may be dropped.
        let _ = sender.send(others(&asking));
    };
    if let Err(error) = thread::Builder::new().name("fs-group".into()).spawn(run) {
        let _ = refused.send(Err(format!("no thread to ask on: {error}")));
    }
    answer
}

fn others(client: &ConsumerClient) -> Answer {
    let list = client.consumer().fetch_group_list(Some(&client.context().group), ASKED);
    let list = list.map_err(|error| error.to_string())?;
    let group = list.groups().first().ok_or("it does not know the group")?;
    Ok(Others { members: group.members().len(), assignor: group.protocol().to_owned() })
}

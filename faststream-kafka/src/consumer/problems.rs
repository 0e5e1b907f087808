//! The current problems of a membership, for its health: updated once a second.
//!
//! Three kinds of problem, each of which librdkafka leaves unreported or reports only once:
//!
//! 1. The client is not in its group for more than 10 s. The coordinator is asked for the other members, because
//!    their protocols may not match, which librdkafka does not log.
//! 2. Fetches of a partition are refused, mostly because of a missing permission.
//! 3. A topic does not exist, or this user may not see it. librdkafka omits it without an error.
//!
//! A fourth one comes from the committer: a commit cost the membership.
//!
//! `Problems::look` runs on the control thread and never waits. Questions that block run on threads of their own,
//! and a later call takes the answers. Each problem is one sentence in the member's health until it disappears.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
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

/// How often problems are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long a request to the coordinator, or for one topic, may take.
const ASKED: Duration = Duration::from_secs(3);
/// How often the coordinator is asked again while the client is outside its group.
const AGAIN: Duration = Duration::from_secs(30);
/// Statistics come every 2 s (`statistics.interval.ms`): they are newer than an error of this age. So they decide
/// whether the error still holds.
const NEWS: Duration = Duration::from_secs(5);

/// How often topics without new records are checked.
const TOPICS: Duration = Duration::from_secs(2);
/// How many topics are checked at a time, in the order of their names.
const TOPICS_MOST: usize = 20;

/// The answer of the coordinator, or why there is none.
type Answer = Result<Others, String>;

/// A topic, and why it cannot be read.
type Unavailable = (String, String);

/// The known problems, and the questions in flight.
pub(super) struct Problems {
    /// The assignment method of this member, to be compared with the others' one.
    wanted: Wanted,
    /// Returns how long the broker waits for a silent member. Blocks for a few seconds at most, so it is called
    /// only after a fatal error.
    session: Box<dyn Fn() -> Duration + Send>,
    /// When problems are looked for again.
    next: Instant,
    /// When the coordinator was asked about the other members, and the receiver of its answer.
    asked: Option<(Instant, Receiver<Answer>)>,
    /// The last answer about the other members; `None` before the first one, and while the client is in its group.
    others: Option<Answer>,
    /// The sum of the lanes' positions in each topic, at the last check. A topic whose sum has not changed is
    /// silent.
    positions: BTreeMap<Arc<str>, i64>,
    /// When topics without new records were checked, and the receiver of the answer.
    looked: Option<(Instant, Receiver<Vec<Unavailable>>)>,
    /// The topics that cannot be read, one sentence each, from the last answer.
    unavailable: Vec<String>,
}

impl Problems {
    /// Returns the state of a member without known problems.
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
    /// Returns the possible remedy for a client that this error made unusable. For `UnreleasedInstanceId`, which
    /// only KIP-848 groups have, it asks the broker, and blocks for a few seconds at most.
    pub(super) fn remedy(&self, code: RDKafkaErrorCode) -> Remedy {
        remedy(code, &*self.session)
    }

    /// Returns all problems, one sentence each, if it is time to check for them; `None` otherwise. An empty list
    /// means that there are none. `commit_pause` is the pause before the next commit, zero if the last one did not
    /// cost the membership.
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

    /// Returns the problem of a client that cannot join, once it has been outside for 10 s. If it waits for a
    /// topic to exist, the coordinator is not asked.
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

    /// Returns the topics that do not exist, or that this user may not see: librdkafka omits them without an
    /// error. A new check begins every 2 s, and its result is reported by a later call.
    fn unavailable_topics(
        &mut self,
        client: &Arc<ConsumerClient>,
        partitions: &Partitions,
        now: Instant,
    ) -> Vec<String> {
        let answer = self.looked.as_ref().map(|(_, answers)| answers.try_recv());
        if let Some(Ok(unavailable)) = &answer {
            for (topic, message) in unavailable {
                // The same key as in the search for topics.
                client.context().errors.log(&format!("missing {topic}"), message);
            }
            self.unavailable = unavailable.iter().map(|(_, message)| message.clone()).collect();
        }
        // While brokers do not answer, one thread waits for them, not one more every 2 s.
        let is_looking = matches!(answer, Some(Err(TryRecvError::Empty)));
        if !is_looking && self.looked.as_ref().is_none_or(|(looked, _)| now > *looked + TOPICS) {
            let silent = self.silent_topics(client, partitions);
            if silent.is_empty() {
                self.unavailable.clear();
            } else {
                self.looked = Some((now, look(client, silent)));
            }
        }
        self.unavailable.clone()
    }

    /// Returns the topics without new records since the last call, 20 at most: idle, or unavailable. Topics with
    /// new records need no check.
    fn silent_topics(&mut self, client: &ConsumerClient, partitions: &Partitions) -> Vec<String> {
        let request = client.request();
        let named = request.topics.keys();
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

/// Returns the partitions whose fetches are refused, one sentence for each topic and reason. An error ends when
/// records arrive, or when newer statistics show a fetch that was answered.
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

/// Checks which of these topics cannot be read, on a separate thread, one request after another. The receiver
/// yields one answer.
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

/// Requests the members of the group, on a separate thread. The receiver yields one answer, which is an error if
/// there is no such thread.
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

/// Requests the members of the group from its coordinator. Blocks for 3 s at most. The answer describes classic
/// members only.
fn others(client: &ConsumerClient) -> Answer {
    let list = client.consumer().fetch_group_list(Some(&client.context().group), ASKED);
    let list = list.map_err(|error| error.to_string())?;
    let group = list.groups().first().ok_or("it does not know the group")?;
    Ok(Others { members: group.members().len(), assignor: group.protocol().to_owned() })
}

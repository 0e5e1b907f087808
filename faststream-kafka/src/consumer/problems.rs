//! What is wrong with a membership now, for its health: once a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::client::Client;
use super::control::Control;
use super::joining::{Others, SAID, Wanted, sentence};

const EVERY: Duration = Duration::from_secs(1);
/// What asking the coordinator may take, and how often it is asked.
const ASKED: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_secs(30);
/// Statistics come every 2 s: what they say is newer than an error of this age.
const NEWS: Duration = Duration::from_secs(5);

type Answer = Result<Others, String>;

/// What was found out.
pub(super) struct Problems {
    wanted: Wanted,
    next: Instant,
    /// When the coordinator was asked about the others, and where its answer comes.
    asked: Option<(Instant, Receiver<Answer>)>,
    others: Option<Answer>,
}

impl Problems {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, next: Instant::now(), asked: None, others: None }
    }

    /// How this member wants partitions to be shared out.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

impl Control {
    pub(super) fn heed_problems(&mut self) {
        let now = Instant::now();
        if now < self.problems.next {
            return;
        }
        self.problems.next = now + EVERY;
        let mut all = Vec::new();
        all.extend(self.not_joined(now));
        all.extend(self.refused_fetches());
        let pause = self.committer.pause();
        if !pause.is_zero() {
            all.push(format!(
                "its last commit was refused as if it were no member, which cost the membership: no other is sent before {pause:?} \
                 have passed"
            ));
        }
        self.member.set_problems(all);
    }

    /// What is to be said of a client that is not let in.
    fn not_joined(&mut self, now: Instant) -> Option<String> {
        let problems = &mut self.problems;
        let context = self.client.context();
        let Some((outside, refusal)) = context.joining.outside().filter(|(outside, _)| *outside > SAID)
        else {
            (problems.asked, problems.others) = (None, None);
            return None;
        };
        if problems.asked.as_ref().is_none_or(|(asked, _)| now > *asked + AGAIN) {
            problems.asked = Some((now, ask(&self.client)));
        }
        if let Some((_, answers)) = &problems.asked
            && let Ok(answer) = answers.try_recv()
        {
            problems.others = Some(answer);
        }
        // Said a moment later, with what the others are.
        let others = problems.others.as_ref()?;
        let others = others.as_ref().map_err(String::as_str);
        let sentence = sentence(outside, &problems.wanted, refusal.as_deref(), others);
        context.errors.tell("not joined", &sentence);
        Some(sentence)
    }

    /// Partitions whose records are refused, by topic and reason.
    fn refused_fetches(&self) -> Vec<String> {
        let mut refused: BTreeMap<(&str, String), Vec<i32>> = BTreeMap::new();
        for ((topic, partition), lane) in &self.lanes {
            let Some((error, age)) = lane.refusal() else { continue };
            let is_answered = self.client.context().is_answered(&lane.place);
            if age > NEWS && is_answered == Some(true) {
                lane.relent();
                continue;
            }
            refused.entry((topic, format!("{error:?}"))).or_default().push(*partition);
        }
        let say = |((topic, error), partitions): ((&str, String), Vec<i32>)| {
            let cure = if error.contains("AUTHORIZATION") { "; let this user read the topic" } else { "" };
            format!("nothing can be fetched from {topic}, partitions {partitions:?}: {error}{cure}")
        };
        refused.into_iter().map(say).collect()
    }
}

/// Asks who is in the group, on a thread of its own.
fn ask(client: &Arc<Client>) -> Receiver<Answer> {
    let (sender, answer) = channel();
    let (asking, refused) = (Arc::clone(client), sender.clone());
    let run = move || {
        // Nobody may wait any more.
        let _ = sender.send(others(&asking));
    };
    if let Err(error) = thread::Builder::new().name("fs-group".into()).spawn(run) {
        let _ = refused.send(Err(format!("no thread to ask on: {error}")));
    }
    answer
}

fn others(client: &Client) -> Answer {
    let list = client.consumer().fetch_group_list(Some(&client.context().group), ASKED);
    let list = list.map_err(|error| error.to_string())?;
    let group = list.groups().first().ok_or("it does not know the group")?;
    Ok(Others { members: group.members().len(), assignor: group.protocol().to_owned() })
}

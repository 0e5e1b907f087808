//! Creates or verifies retry topics and dead-letter topics before the groups are joined, and warns about retry topics
//! that no handler reads any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::StartError;
use super::groups::GroupPlan;
use crate::broker::{Broker, BrokerError, TopicFault, TopicProblem, TopicPurpose, TopicRequest};
use crate::log::{Throttle, info, warn};
use crate::policy::{GroupSettings, Provision};
use crate::subscriber::{Source, Subscriber};
use crate::topic_name::retry_source;

/// How long one attempt may take before the broker counts as unavailable.
const TRY: Duration = Duration::from_secs(30);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the search for forgotten records may take. The startup does not depend on it.
const LOOK: Duration = Duration::from_secs(10);

/// The topics that handlers of a broker write copies to, and the handlers that need them.
#[derive(Default)]
struct Wanted<'a>(BTreeMap<String, Need<'a>>);

struct Need<'a> {
    subscriber: &'a Subscriber,
    request: TopicRequest,
}

/// Creates or verifies the topics of one broker's groups. Waits for an unavailable broker, as long as it takes.
///
/// # Errors
/// If a topic does not exist and is not created, or would lose records. The error names the topic, its handler, and the
/// fix. A missing topic of results only causes a warning.
pub(super) async fn provide(broker: &dyn Broker, groups: &[&Arc<GroupPlan>]) -> Result<(), StartError> {
    let mut wanted = Wanted::default();
    for group in groups {
        for subscriber in &group.subscribers {
            wanted.add(subscriber, &group.settings);
        }
    }
    // Last, so that a topic that also has another purpose is checked for that one.
    for group in groups {
        for subscriber in &group.subscribers {
            for topic in &*subscriber.handler.publishes {
                wanted.want(subscriber, &group.settings, TopicPurpose::Results, topic, None);
            }
        }
    }
    if wanted.0.is_empty() {
        return Ok(());
    }
    let requests: Vec<_> = wanted.0.values().map(|need| need.request.clone()).collect();
    let found = ask(broker, &requests).await;
    let (warnings, faults): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|fault| wanted.is_of_results(fault));
    for fault in warnings {
        warn!(broker = %broker.describe(), "{}", wanted.message(&fault));
    }
    if faults.is_empty() { Ok(()) } else { Err(StartError::new(wanted.tell(broker, &faults))) }
}

/// Warns about records in retry topics of these groups that no handler reads any more.
pub(super) async fn warn_of_forgotten(broker: &dyn Broker, groups: &[&Arc<GroupPlan>]) {
    if groups.is_empty() {
        return;
    }
    match timeout(LOOK, forgotten(broker, groups)).await {
        Ok(Ok(forgotten)) => {
            for (group, topic, records) in forgotten {
                warn!(%group, %topic, records,
                    "{records} records wait in {topic}, and no handler of this app reads it any more: name its delay in \
                     `retry(topics = [...])` again until it is empty, or delete the topic");
            }
        }
        Ok(Err(error)) => warn!("could not look for records in retry topics that nobody reads: {error}"),
        Err(_) => {
            warn!("could not look for records in retry topics that nobody reads: no answer within {LOOK:?}");
        }
    }
}

/// Returns the group, the topic, and the number of waiting records.
async fn forgotten(
    broker: &dyn Broker,
    groups: &[&Arc<GroupPlan>],
) -> Result<Vec<(Arc<str>, String, u64)>, BrokerError> {
    let topics = broker.topics().await?;
    let exists = |name: &str| topics.iter().any(|(topic, _)| *topic == *name);
    // `orders-a-b-retry-10s` belongs to the group `a-b` if there is a topic `orders` and none named `orders-a`.
    let is_of_longer = |source: &str| {
        let mut known = topics.iter().filter_map(|(topic, _)| source.strip_prefix(&**topic));
        !exists(source) && known.any(|rest| rest.starts_with('-'))
    };
    let mut found = Vec::new();
    for group in groups {
        let name = &group.request.group;
        let is_unread = |topic: &String| {
            retry_source(topic, name).is_some_and(|source| !is_of_longer(source))
                && !group.request.reads(topic)
        };
        let unread: Vec<_> =
            topics.iter().map(|(topic, _)| topic).filter(|topic| is_unread(topic)).cloned().collect();
        if unread.is_empty() {
            continue;
        }
        let waiting = broker.backlog(name, &unread).await?.into_iter().filter(|(_, records)| *records > 0);
        found.extend(waiting.map(|(topic, records)| (Arc::clone(name), topic, records)));
    }
    Ok(found)
}

/// Asks until the broker answers.
async fn ask(broker: &dyn Broker, requests: &[TopicRequest]) -> Vec<TopicFault> {
    let mut throttle = Throttle::default();
    loop {
        let error = match timeout(TRY, broker.ensure_topics(requests)).await {
            Ok(Ok(faults)) => {
                if throttle.was_logged() {
                    info!(broker = %broker.describe(), "the topics are there");
                }
                return faults;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {TRY:?}"),
        };
        if throttle.admit(Instant::now()).is_some() {
            warn!(broker = %broker.describe(),
                "waiting for the topics that handlers write to, to be made or verified: {error}");
        }
        sleep(PAUSE).await;
    }
}

impl<'a> Wanted<'a> {
    fn add(&mut self, subscriber: &'a Subscriber, settings: &GroupSettings) {
        for retry in &*subscriber.spec.retry_topics {
            let purpose = TopicPurpose::Retries { delay: retry.delay };
            self.want(subscriber, settings, purpose, &retry.name, Some(&retry.source));
        }
        if !subscriber.handler.writes_dead_letters() {
            return;
        }
        match (&subscriber.spec.source, &subscriber.handler.dead_letter) {
            (Source::Topics(names), _) => {
                for name in names {
                    let topic = subscriber.dead_letter_topic(name);
                    self.want(subscriber, settings, TopicPurpose::DeadLetters, &topic, Some(name));
                }
            }
            (Source::Pattern(_), Some(topic)) => {
                self.want(subscriber, settings, TopicPurpose::DeadLetters, topic, None);
            }
            // Unknown until a record is there: the broker creates it at the first write.
            (Source::Pattern(_), None) => {}
        }
    }

    fn want(
        &mut self,
        subscriber: &'a Subscriber,
        settings: &GroupSettings,
        purpose: TopicPurpose,
        topic: &str,
        source: Option<&Arc<str>>,
    ) {
        let request = || TopicRequest {
            topic: topic.to_owned(),
            sources: Vec::new(),
            provision: settings.provision,
            purpose,
        };
        let need = self.0.entry(topic.to_owned()).or_insert_with(|| Need { subscriber, request: request() });
        need.request.sources.extend(source.map(ToString::to_string));
    }

    fn is_of_results(&self, fault: &TopicFault) -> bool {
        self.0.get(&fault.topic).is_some_and(|need| need.request.purpose == TopicPurpose::Results)
    }

    fn message(&self, TopicFault { topic, problem }: &TopicFault) -> String {
        let (TopicProblem::Missing(reason) | TopicProblem::Unfit(reason)) = problem;
        let Some(Need { subscriber, request }) = self.0.get(topic) else { return reason.clone() };
        let def = subscriber.handler.def;
        let what = match request.purpose {
            TopicPurpose::Retries { .. } => "retries",
            TopicPurpose::DeadLetters => "dead letters",
            TopicPurpose::Results => "results",
        };
        let rest = match (problem, request.purpose, request.provision) {
            (TopicProblem::Unfit(_), ..) => reason.clone(),
            (_, TopicPurpose::Results, _) => format!(
                "does not exist ({reason}): create it; until then, a record whose result goes there is not finished, and waits"
            ),
            (_, _, Provision::Create) => {
                format!("does not exist ({reason}): create it, or let this client's user do so")
            }
            (_, _, Provision::Verify) => format!(
                "does not exist ({reason}): create it, or let the app do so: `GroupSettings::provision(Provision::Create)`"
            ),
        };
        format!("{} ({}): its {what} go to `{topic}`, which {rest}", def.path(), def.location())
    }

    fn tell(&self, broker: &dyn Broker, faults: &[TopicFault]) -> String {
        let lines: Vec<_> = faults.iter().map(|fault| self.message(fault)).collect();
        format!("{}: {}", broker.describe(), lines.join("\n  - "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::broker::GroupRequest;
    use crate::memory::MemoryBroker;
    use crate::policy::Start;
    use crate::record::Outgoing;

    fn group(name: &str, reads: &str) -> Arc<GroupPlan> {
        let request = GroupRequest {
            group: name.into(),
            topics: BTreeMap::from([(reads.to_owned(), Start::Earliest)]),
            patterns: Vec::new(),
            commit_interval: Duration::from_secs(1),
            drain: Duration::from_secs(5),
        };
        let settings = GroupSettings::default();
        Arc::new(GroupPlan {
            broker: None,
            request,
            subscribers: Vec::new(),
            settings,
            hooks: Arc::default(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn records_are_forgotten_in_retry_topics_of_the_group_that_nobody_reads() {
        let broker = MemoryBroker::new();
        for (topic, records) in [
            ("orders", 1),
            ("orders-b-retry-10s", 2),
            ("orders-b-retry-1m", 3),
            ("orders-b-retry-5m", 0),
            // Belongs to the group `a-b`.
            ("orders-a-b-retry-10s", 4),
            ("gone-b-retry-10s", 5),
        ] {
            broker.create_topic(topic, 1);
            for _ in 0..records {
                broker.append(Outgoing::new(topic, "x")).expect("it exists");
            }
        }
        let found = forgotten(&broker, &[&group("b", "orders-b-retry-10s")]).await.expect("it answers");
        let told: Vec<_> = found.iter().map(|(_, topic, records)| (topic.as_str(), *records)).collect();
        assert_eq!(told, [("gone-b-retry-10s", 5), ("orders-b-retry-1m", 3)]);
    }
}

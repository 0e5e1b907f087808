//! Before the groups are joined: retry topics and dead-letter topics are there, and none is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::StartError;
use super::groups::GroupPlan;
use crate::broker::{Broker, BrokerError, MissingTopic, TopicRequest};
use crate::log::{info, warn};
use crate::policy::{GroupSettings, Provision};
use crate::subscriber::{Source, Subscriber, retry_source};

/// What one try may take, beyond which the broker counts as away.
const TRY: Duration = Duration::from_secs(30);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a broker that is away is told again.
const REMINDER: Duration = Duration::from_secs(60);
/// What looking for forgotten records may take: the start does not depend on it.
const LOOK: Duration = Duration::from_secs(10);

/// The topics that handlers of a broker write copies to, and who needs them.
#[derive(Default)]
struct Wanted<'a>(BTreeMap<String, Need<'a>>);

struct Need<'a> {
    subscriber: &'a Subscriber,
    what: &'static str,
    request: TopicRequest,
}

/// Makes or verifies the topics of one broker's groups. Waits for a broker that is away, as long as it takes.
///
/// # Errors
/// If a topic does not exist and is not made: naming it, its handler, and the cure.
pub(super) async fn provide(broker: &dyn Broker, groups: &[&Arc<GroupPlan>]) -> Result<(), StartError> {
    let mut wanted = Wanted::default();
    for group in groups {
        for subscriber in &group.subscribers {
            wanted.add(subscriber, &group.settings);
        }
    }
    if wanted.0.is_empty() {
        return Ok(());
    }
    let requests: Vec<_> = wanted.0.values().map(|need| need.request.clone()).collect();
    let missing = ask(broker, &requests).await;
    if missing.is_empty() { Ok(()) } else { Err(StartError::new(wanted.tell(broker, &missing))) }
}

/// Warns of records in retry topics of these groups that no handler reads any more.
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

/// Group, topic, and how many records wait.
async fn forgotten(
    broker: &dyn Broker,
    groups: &[&Arc<GroupPlan>],
) -> Result<Vec<(Arc<str>, String, u64)>, BrokerError> {
    let topics = broker.topics().await?;
    let exists = |name: &str| topics.iter().any(|(topic, _)| *topic == *name);
    // `orders-a-b-retry-10s` is of the group `a-b` if there is a topic `orders` and none `orders-a`.
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
async fn ask(broker: &dyn Broker, requests: &[TopicRequest]) -> Vec<MissingTopic> {
    let mut next = Instant::now();
    let mut told = false;
    loop {
        let error = match timeout(TRY, broker.ensure_topics(requests)).await {
            Ok(Ok(missing)) => {
                if told {
                    info!(broker = %broker.describe(), "the topics are there");
                }
                return missing;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {TRY:?}"),
        };
        if Instant::now() >= next {
            told = true;
            next = Instant::now() + REMINDER;
            warn!(broker = %broker.describe(),
                "waiting for retry topics and dead-letter topics to be made or verified: {error}");
        }
        sleep(PAUSE).await;
    }
}

impl<'a> Wanted<'a> {
    fn add(&mut self, subscriber: &'a Subscriber, settings: &GroupSettings) {
        for retry in &*subscriber.retry_topics {
            self.want(subscriber, settings, "retries go", &retry.name, Some(&retry.source));
        }
        if !subscriber.writes_dead_letters() {
            return;
        }
        match (&subscriber.source, &subscriber.dead_letter) {
            (Source::Topics(names), _) => {
                for name in names {
                    let topic = subscriber.dead_letter_topic(name);
                    self.want(subscriber, settings, "dead letters go", &topic, Some(name));
                }
            }
            (Source::Pattern(_), Some(topic)) => {
                self.want(subscriber, settings, "dead letters go", topic, None);
            }
            // Not known before a record is there: made by the broker when it is first written.
            (Source::Pattern(_), None) => {}
        }
    }

    fn want(
        &mut self,
        subscriber: &'a Subscriber,
        settings: &GroupSettings,
        what: &'static str,
        topic: &str,
        source: Option<&Arc<str>>,
    ) {
        let request =
            || TopicRequest { topic: topic.to_owned(), sources: Vec::new(), provision: settings.provision };
        let need =
            self.0.entry(topic.to_owned()).or_insert_with(|| Need { subscriber, what, request: request() });
        need.request.sources.extend(source.map(ToString::to_string));
    }

    fn tell(&self, broker: &dyn Broker, missing: &[MissingTopic]) -> String {
        let line = |MissingTopic { topic, reason }: &MissingTopic| {
            let Some(Need { subscriber, what, request }) = self.0.get(topic) else { return reason.clone() };
            let def = subscriber.def;
            let instead = match request.provision {
                Provision::Create => "create it, or let this client's user do so",
                Provision::Verify => {
                    "create it, or let the app do so: `GroupSettings::provision(Provision::Create)`"
                }
            };
            format!(
                "{} ({}): its {what} to `{topic}`, which does not exist ({reason}): {instead}",
                def.path(),
                def.place()
            )
        };
        let lines: Vec<_> = missing.iter().map(line).collect();
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
    use crate::publish::Outgoing;

    fn group(name: &str, reads: &str) -> Arc<GroupPlan> {
        let request = GroupRequest {
            group: name.into(),
            topics: BTreeMap::from([(reads.to_owned(), Start::Earliest)]),
            patterns: Vec::new(),
            commit_interval: Duration::from_secs(1),
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
            // Of the group `a-b`.
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

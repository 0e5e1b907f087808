//! The memberships that an app needs: one per (broker, group), no matter how many subscribers share it.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use super::resolve::longest_drain;
use crate::broker::{GroupRequest, PatternRequest};
use crate::hooks::GroupHooks;
use crate::policy::{GroupSettings, Start};
use crate::subscriber::{Source, Subscriber};

/// One membership, before it is joined.
#[derive(Debug)]
pub(super) struct GroupPlan {
    /// The named broker; `None` is the default one.
    pub(super) broker: Option<Arc<str>>,
    pub(super) request: GroupRequest,
    /// The subscribers, by module and line.
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    pub(super) settings: GroupSettings,
    pub(super) hooks: Arc<GroupHooks>,
}

/// Returns the memberships, by broker and group.
///
/// Order, concurrency, commit and start belong to a topic, which has one subscriber in a group. The group itself has
/// only a drain time: the longest of its subscribers'.
pub(super) fn group(
    subscribers: &[Arc<Subscriber>],
    settings: &GroupSettings,
    hooks: &Arc<GroupHooks>,
) -> Vec<GroupPlan> {
    let mut members: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for subscriber in subscribers {
        let place = (subscriber.spec.broker.clone(), Arc::clone(&subscriber.spec.group));
        members.entry(place).or_default().push(Arc::clone(subscriber));
    }
    let plan = |((broker, group), subscribers): ((_, Arc<str>), Vec<Arc<Subscriber>>)| {
        let settings = settings.clone().drain(longest_drain(subscribers.iter()));
        let request = request(group, &subscribers, &settings);
        GroupPlan { broker, request, subscribers, settings, hooks: Arc::clone(hooks) }
    };
    members.into_iter().map(plan).collect()
}

fn request(group: Arc<str>, subscribers: &[Arc<Subscriber>], settings: &GroupSettings) -> GroupRequest {
    let mut topics = BTreeMap::new();
    let mut patterns = Vec::new();
    for subscriber in subscribers {
        match &subscriber.spec.source {
            Source::Topics(names) => {
                topics.extend(names.iter().map(|name| (name.to_string(), subscriber.spec.start)));
                // Every record there failed in this group, so none may be skipped.
                let retries = subscriber.spec.retry_topics.iter();
                topics.extend(retries.map(|retry| (retry.name.to_string(), Start::Earliest)));
            }
            Source::Pattern(regex) => {
                patterns.push(PatternRequest { regex: Regex::clone(regex), start: subscriber.spec.start });
            }
        }
    }
    GroupRequest { group, topics, patterns, commit_interval: settings.commit_interval, drain: settings.drain }
}

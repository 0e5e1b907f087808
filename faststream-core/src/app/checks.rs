//! Checks between subscribers, and between subscribers and their app.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::StartupFault;
use super::builder::Selection;
use super::groups::GroupPlan;
use crate::broker::{Broker, GroupRequest};
use crate::context::Skip;
use crate::policy::{GroupSettings, limits};
use crate::subscriber::{Source, Subscriber, SubscriberDef};

/// Returns the subscribers that the app selects, or all of them if it selects none. `hooks` is whether the app has
/// something to do without subscribers.
pub(super) fn select(
    registered: Vec<&'static SubscriberDef>,
    selection: &Selection,
    hooks: bool,
    faults: &mut Vec<StartupFault>,
) -> Vec<&'static SubscriberDef> {
    if registered.is_empty() {
        if !hooks {
            faults.push(StartupFault::of_app(format!(
                "{NONE_REGISTERED}; an app that only publishes does so in a hook: `.after_startup(async |hook: HookContext| ..)`"
            )));
        }
        return registered;
    }
    let Selection { modules, packages } = selection;
    if modules.is_empty() && packages.is_empty() {
        return registered;
    }
    for module in modules.iter().filter(|module| !registered.iter().any(|def| def.is_in(module))) {
        faults.push(selects_none("module", module, registered.iter().map(|def| def.module)));
    }
    for package in packages.iter().filter(|package| !registered.iter().any(|def| def.package == **package)) {
        faults.push(selects_none("package", package, registered.iter().map(|def| def.package)));
    }
    let named = |def: &&SubscriberDef| {
        modules.iter().any(|module| def.is_in(module))
            || packages.iter().any(|package| def.package == *package)
    };
    registered.into_iter().filter(|def| named(&&**def)).collect()
}

/// Why there may be no subscriber.
pub(super) const NONE_REGISTERED: &str = "no subscriber is registered: write one with `#[subscriber(topic = \"...\")]`; if \
                                          they are in another crate, nothing of which is used here, link it with \
                                          `use that_crate as _;`";

fn selects_none(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> StartupFault {
    let known: BTreeSet<_> = known.map(|known| format!("`{known}`")).collect();
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    StartupFault::of_app(format!("`.{what}(\"{name}\")` selects no subscriber: there are some in {known}"))
}

/// Checks that some subscriber is enabled. Other faults of the selected subscribers are reported instead, if there are
/// any.
pub(super) fn anything_left(
    selected: &[&'static SubscriberDef],
    subscribers: &[Subscriber],
    faults: &mut Vec<StartupFault>,
) {
    if subscribers.is_empty() && !selected.is_empty() && faults.is_empty() {
        let names: Vec<_> =
            selected.iter().map(|def| format!("{} ({})", def.path(), def.location())).collect();
        faults.push(StartupFault::of_app(format!(
            "no subscriber is enabled, nothing would run: set the variables of `enabled` at {}",
            names.join(", ")
        )));
    }
}

/// Checks that every named broker exists.
pub(super) fn brokers(
    enabled: &[(&'static SubscriberDef, Option<String>)],
    brokers: &BTreeMap<Option<Arc<str>>, Arc<dyn Broker>>,
    faults: &mut Vec<StartupFault>,
) {
    for (def, broker) in enabled {
        let Some(name) = broker else { continue };
        if !brokers.keys().flatten().any(|known| **known == **name) {
            let known: Vec<_> = brokers.keys().flatten().map(|name| format!("`{name}`")).collect();
            let known =
                if known.is_empty() { "it has none".into() } else { format!("it has {}", known.join(", ")) };
            let message = format!(
                "the app has no broker named `{name}`, {known}: add `.broker(\"{name}\", ...)`, or leave `broker` out \
                 for the default one"
            );
            faults.push(StartupFault::of_handler(def, message));
        }
    }
}

/// Checks that no two handlers of one group read the same topic, including their retry topics.
///
/// Two different patterns may still match the same topic that appears later: the first handler by module and line gets
/// it.
pub(super) fn overlaps(subscribers: &[Arc<Subscriber>], faults: &mut Vec<StartupFault>) {
    // One fault for all handlers that read the same topic, in the order of the first two.
    let mut meetings: Vec<(String, BTreeSet<usize>)> = Vec::new();
    for (index, second) in subscribers.iter().enumerate() {
        for (earlier, first) in subscribers[..index].iter().enumerate() {
            if first.spec.group != second.spec.group || first.spec.broker != second.spec.broker {
                continue;
            }
            let Some(shared) = shared_topic(first, second) else { continue };
            let is_here = |(topic, who): &&mut (String, BTreeSet<usize>)| {
                let known = who.first().map(|known| &subscribers[*known]);
                *topic == shared
                    && known.is_some_and(|known| {
                        known.spec.group == second.spec.group && known.spec.broker == second.spec.broker
                    })
            };
            match meetings.iter_mut().find(is_here) {
                Some((_, who)) => who.extend([earlier, index]),
                None => meetings.push((shared, BTreeSet::from([earlier, index]))),
            }
        }
    }
    for (shared, mut who) in meetings {
        let Some(last) = who.pop_last().map(|last| &subscribers[last]) else { continue };
        let others = who.iter().map(|index| {
            let def = subscribers[*index].handler.def;
            format!("{} ({})", def.path(), def.location())
        });
        let others: Vec<_> = others.collect();
        let (does, one, make) = match others.len() {
            1 => ("does", "one", "make them one handler"),
            _ => ("do", "all but one", "make all of them one handler"),
        };
        let message = format!(
            "reads {shared} in the group `{}`, and so {does} {}: only one would get its records; give {one} of them another \
             `group`, {make}, or, if the app is to run without the other{}, select the handlers of one module: \
             `.module(\"{}\")`",
            last.spec.group,
            others.join(", "),
            if others.len() == 1 { "" } else { "s" },
            last.handler.def.module
        );
        faults.push(StartupFault::of_handler(last.handler.def, message));
    }
}

fn shared_topic(first: &Subscriber, second: &Subscriber) -> Option<String> {
    if let (Source::Pattern(first), Source::Pattern(second)) = (&first.spec.source, &second.spec.source) {
        return (first.as_str() == second.as_str()).then(|| format!("the pattern `{first}`"));
    }
    let shared = |names: &Subscriber, other: &Subscriber| {
        topics_by_name(names).find(|name| other.spec.reads(name)).map(|name| format!("`{name}`"))
    };
    shared(second, first).or_else(|| shared(first, second))
}

fn topics_by_name(subscriber: &Subscriber) -> impl Iterator<Item = &Arc<str>> {
    subscriber.spec.sources().iter().chain(subscriber.spec.retry_topics.iter().map(|retry| &retry.name))
}

/// Checks that no topic has the retries of two groups: `a-b` read by `c` and `a` read by `b-c` would share theirs.
pub(super) fn retry_topics(subscribers: &[Arc<Subscriber>], faults: &mut Vec<StartupFault>) {
    for (index, second) in subscribers.iter().enumerate() {
        if let Some(name) = second.spec.sources().iter().find(|name| second.spec.retry_topic(name).is_some())
        {
            let message = format!(
                "reads `{name}`, where its own retries go: remove it from `topics`, retry topics are read without being named"
            );
            faults.push(StartupFault::of_handler(second.handler.def, message));
        }
        for first in &subscribers[..index] {
            if first.spec.broker != second.spec.broker || first.spec.group == second.spec.group {
                continue;
            }
            let theirs = |name: &Arc<str>| first.spec.retry_topic(name).is_some();
            if let Some(shared) = second.spec.retry_topics.iter().find(|retry| theirs(&retry.name)) {
                let message = format!(
                    "its retries go to `{}`, and so do those of {} ({}), of another group: give one of them another \
                     `group` or delay",
                    shared.name,
                    first.handler.def.path(),
                    first.handler.def.location()
                );
                faults.push(StartupFault::of_handler(second.handler.def, message));
            }
        }
    }
}

/// Checks that no handler reads the dead letters that it writes.
pub(super) fn dead_letters(subscribers: &[Arc<Subscriber>], faults: &mut Vec<StartupFault>) {
    for subscriber in subscribers {
        let writes = subscriber.handler.writes_dead_letters();
        let written = match &subscriber.spec.source {
            Source::Topics(names) => {
                names.iter().map(|name| subscriber.dead_letter_topic(name)).collect::<Vec<_>>()
            }
            Source::Pattern(_) => subscriber.handler.dead_letter.iter().cloned().collect(),
        };
        if let Some(topic) = written.iter().find(|topic| writes && subscriber.spec.reads(topic)) {
            let message = format!(
                "reads `{topic}`, where its own dead letters go, and would give up on them for ever: name another \
                 topic with `dead_letter = \"...\"`"
            );
            faults.push(StartupFault::of_handler(subscriber.handler.def, message));
        }
    }
}

/// Checks that every record to skip is in a topic that some subscriber reads.
pub(super) fn skips(subscribers: &[Arc<Subscriber>], skips: &BTreeSet<Skip>, faults: &mut Vec<StartupFault>) {
    for skip in skips {
        let topic = &*skip.topic;
        if !subscribers.iter().any(|subscriber| subscriber.spec.reads(topic)) {
            faults.push(StartupFault::of_app(format!("cannot let go of {skip}: no handler reads `{topic}`")));
        }
    }
}

/// Checks that no setting stalls a group, makes it spin, exceeds the clock's range, or contradicts another one.
pub(super) fn settings(
    settings: &GroupSettings,
    subscribers: &[Arc<Subscriber>],
    faults: &mut Vec<StartupFault>,
) {
    faults.extend(limits::group_faults(settings).into_iter().map(StartupFault::of_app));
    for subscriber in subscribers {
        let mut refuse =
            |message: String| faults.push(StartupFault::of_handler(subscriber.handler.def, message));
        if let Some(fault) =
            limits::drain_fault(subscriber.spec.drain).filter(|_| subscriber.handler.def.drain.is_some())
        {
            refuse(fault);
        }
        if let (Some(timeout), Some(ttl)) = (subscriber.handler.timeout, settings.handler_ttl)
            && timeout > ttl
        {
            refuse(format!(
                "its `timeout` ({timeout:?}) is longer than `handler_ttl` ({ttl:?}), so the app would be restarted before the \
                 call is cancelled: shorten it, or lengthen `handler_ttl`"
            ));
        }
        if subscriber.handler.def.concurrency.is_some()
            && subscriber.spec.concurrency > settings.max_in_flight
        {
            refuse(format!(
                "`concurrency = {}` is more than `max_in_flight` ({}), and never reached: lower it, or raise \
                 `GroupSettings::max_in_flight`",
                subscriber.spec.concurrency, settings.max_in_flight
            ));
        }
    }
}

/// Checks the brokers' own settings.
pub(super) fn broker_settings(
    brokers: &BTreeMap<Option<Arc<str>>, Arc<dyn Broker>>,
    groups: &[GroupPlan],
    faults: &mut Vec<StartupFault>,
) {
    for (name, broker) in brokers {
        let requests: Vec<GroupRequest> =
            groups.iter().filter(|group| group.broker == *name).map(|group| group.request.clone()).collect();
        for message in broker.check(&requests) {
            faults.push(StartupFault::of_app(match name {
                Some(name) => format!("broker `{name}`: {message}"),
                None => message,
            }));
        }
    }
}

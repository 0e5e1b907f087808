//! Handlers whose records come back to them, through their published records, retries or dead letters, directly or
//! through other handlers of the app. This may be intended, so it is a warning.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use std::sync::Arc;

use crate::subscriber::{Source, Subscriber};

/// One path of a record: from a handler, through a topic, to a handler that reads it.
struct Way {
    from: usize,
    /// A phrase for the records that go there: `publishes to`.
    what: &'static str,
    topic: Arc<str>,
    to: usize,
}

/// Returns a sentence for each circle in which records may go forever.
pub(super) fn warnings(subscribers: &[Arc<Subscriber>]) -> Vec<String> {
    let ways = ways(subscribers);
    let mut messages = BTreeSet::new();
    let mut warnings = Vec::new();
    for start in 0..subscribers.len() {
        if messages.contains(&start) {
            continue;
        }
        if let Some(circle) = shortest(&ways, subscribers.len(), start) {
            messages.extend(circle.iter().map(|way| way.from));
            warnings.push(message(subscribers, &circle));
        }
    }
    warnings
}

fn ways(subscribers: &[Arc<Subscriber>]) -> Vec<Way> {
    let mut ways = Vec::new();
    for (from, writer) in subscribers.iter().enumerate() {
        for (what, topic) in outputs(writer) {
            for (to, reader) in subscribers.iter().enumerate() {
                // A handler's own retries come back to it by design, and end.
                let by_design = from == to && what == RETRIES;
                if writer.spec.broker == reader.spec.broker && reader.spec.reads(&topic) && !by_design {
                    ways.push(Way { from, what, topic: Arc::clone(&topic), to });
                }
            }
        }
    }
    ways
}

const RETRIES: &str = "has its retries in";

/// Returns the topics to which a handler's outputs go, as far as they are known before any record is read.
fn outputs(writer: &Subscriber) -> Vec<(&'static str, Arc<str>)> {
    let mut outputs: Vec<_> =
        writer.handler.publishes.iter().map(|topic| ("publishes to", Arc::clone(topic))).collect();
    outputs.extend(writer.spec.retry_topics.iter().map(|retry| (RETRIES, Arc::clone(&retry.name))));
    if writer.handler.writes_dead_letters() {
        let topics: Vec<Arc<str>> = match &writer.spec.source {
            Source::Topics(names) => names.iter().map(|name| writer.dead_letter_topic(name)).collect(),
            Source::Pattern(_) => writer.handler.dead_letter.iter().cloned().collect(),
        };
        outputs.extend(topics.into_iter().map(|topic| ("has its dead letters in", topic)));
    }
    outputs
}

/// Returns the shortest path from a handler back to itself, if there is one.
fn shortest(ways: &[Way], handlers: usize, start: usize) -> Option<Vec<&Way>> {
    let mut came: Vec<Option<&Way>> = vec![None; handlers];
    let mut next = VecDeque::from([start]);
    while let Some(at) = next.pop_front() {
        for way in ways.iter().filter(|way| way.from == at) {
            if came[way.to].is_some() {
                continue;
            }
            came[way.to] = Some(way);
            if way.to == start {
                return Some(back(&came, start));
            }
            next.push_back(way.to);
        }
    }
    None
}

/// Returns the paths by which a search came back to its start, in order.
fn back<'a>(came: &[Option<&'a Way>], start: usize) -> Vec<&'a Way> {
    let mut circle = Vec::new();
    let mut at = start;
    while let Some(way) = came[at] {
        circle.push(way);
        at = way.from;
        if at == start {
            break;
        }
    }
    circle.reverse();
    circle
}

fn message(subscribers: &[Arc<Subscriber>], circle: &[&Way]) -> String {
    let name = |handler: usize| {
        let subscriber = &subscribers[handler];
        format!("{} ({})", subscriber.handler.name, subscriber.handler.def.location())
    };
    let mut text = String::new();
    for (index, way) in circle.iter().enumerate() {
        let reads = if index == 0 { "" } else { ", which " };
        let and = if index == 0 { "" } else { " reads and " };
        let _ = write!(
            text,
            "{reads}{}{and}{}{} `{}`",
            name(way.from),
            if index == 0 { " " } else { "" },
            way.what,
            way.topic
        );
    }
    let last = if circle.len() == 1 { "it" } else { &subscribers[circle[0].from].handler.name };
    format!(
        "records may go round for ever: {text}, which {last} reads; let it end by itself, or use another topic"
    )
}

#[cfg(test)]
mod tests {
    use crate::app::{FastStream, LaunchOptions};
    use crate::memory::MemoryBroker;
    use crate::policy::OnError;
    use crate::subscriber::{PublisherDef, RetryDef, SourceDef, SubscriberDef};

    fn messages(defs: &[SubscriberDef]) -> Vec<String> {
        let defs = defs.iter().map(|def| &*Box::leak(Box::new(*def))).collect();
        let app = FastStream::new(MemoryBroker::new()).name("app");
        let plan = app.plan_of(defs, LaunchOptions::default()).expect("a right app");
        let loops = plan.warnings().iter().filter(|warning| warning.contains("go round"));
        loops.cloned().collect()
    }

    const fn reads(name: &'static str, topics: &'static [&'static str]) -> SubscriberDef {
        SubscriberDef { name, source: SourceDef::Topics(topics), ..SubscriberDef::fixture() }
    }

    #[test]
    fn a_handler_that_publishes_to_what_it_reads_is_named_with_its_topic() {
        let copy =
            SubscriberDef { publishers: &[PublisherDef { topic: "loop" }], ..reads("copy", &["loop"]) };
        assert_eq!(
            messages(&[copy]),
            [
                "records may go round for ever: copy (src/lib.rs:1) publishes to `loop`, which it reads; let it end by \
              itself, or use another topic"
            ]
        );
        let pattern = SubscriberDef { source: SourceDef::Pattern("^lo"), ..copy };
        assert_eq!(messages(&[pattern]).len(), 1);
        let other = SubscriberDef { publishers: &[PublisherDef { topic: "out" }], ..copy };
        assert!(messages(&[other]).is_empty());
        let elsewhere = SubscriberDef { group: Some("other"), ..reads("out", &["out"]) };
        assert!(messages(&[other, elsewhere]).is_empty());
    }

    #[test]
    fn a_circle_through_other_handlers_is_told_once_with_all_of_them() {
        let one = SubscriberDef { publishers: &[PublisherDef { topic: "b" }], ..reads("one", &["a"]) };
        let two = SubscriberDef { publishers: &[PublisherDef { topic: "c" }], ..reads("two", &["b"]) };
        let three = SubscriberDef { publishers: &[PublisherDef { topic: "a" }], ..reads("three", &["c"]) };
        assert_eq!(
            messages(&[one, two, three]),
            [
                "records may go round for ever: one (src/lib.rs:1) publishes to `b`, which two (src/lib.rs:1) reads and \
              publishes to `c`, which three (src/lib.rs:1) reads and publishes to `a`, which one reads; let it end by \
              itself, or use another topic"
            ]
        );
        assert!(messages(&[one, two]).is_empty());
    }

    #[test]
    fn dead_letters_and_retries_that_another_handler_brings_back_are_a_circle_and_own_retries_are_none() {
        let work = SubscriberDef {
            on_error: Some(OnError::DeadLetter),
            retry: Some(RetryDef { topics: &["10s"], ..RetryDef::default() }),
            ..reads("work", &["orders"])
        };
        assert!(messages(&[work]).is_empty());
        let publishers = &[PublisherDef { topic: "orders" }];
        let redrive = SubscriberDef { publishers, ..reads("redrive", &["orders-dlt"]) };
        let said = messages(&[work, redrive]);
        assert!(
            said.len() == 1
                && said[0]
                    .contains("work (src/lib.rs:1) has its dead letters in `orders-dlt`, which redrive"),
            "{said:?}"
        );
        let spy = SubscriberDef {
            publishers,
            group: Some("spies"),
            source: SourceDef::Pattern("-retry-"),
            ..reads("spy", &[])
        };
        let said = messages(&[work, spy]);
        assert!(
            said.len() == 1 && said[0].contains("retries in `orders-app-retry-10s`, which spy"),
            "{said:?}"
        );
    }
}

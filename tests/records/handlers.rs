//! What users rely on, each in a module of its own: handlers, and the sentence that they prove, in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{
    Ack, Cancellation, Decide, FastStream, Key, Metadata, Outgoing, Publish, Publisher, State, TestApp,
    Verdict, publisher, subscriber,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
}

/// What handlers saw, in order.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<String>>);

impl Seen {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().expect("no handler panics under the lock").push(text.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("no handler panics under the lock").clone()
    }
}

fn app(module: &str) -> (FastStream, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let app = FastStream::new(MemoryBroker::new()).name("behaviours").module(module).state(Arc::clone(&seen));
    (app, seen)
}

mod two_topics {
    use super::*;

    #[subscriber(topics = ["a", "b"])]
    async fn both(order: Order, metadata: Metadata, State(seen): State<Arc<Seen>>) {
        seen.note(format!("{} {}", metadata.topic, order.id));
    }

    #[faststream::test]
    async fn records_have_the_time_of_day() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        app.append("a", &Order { id: 1 });
        let written = app.published::<Order>("a").records()[0].1.timestamp.expect("it has one");
        assert_eq!(written / 1000, 1_577_836_800, "tests begin in 2020");
        let broker = MemoryBroker::new();
        broker.append(Outgoing::new("a", "1")).expect("it is written");
        let written = broker.records("a")[0].1.timestamp.expect("it has one");
        assert!(written > 1_700_000_000_000, "others begin now");
    }

    #[faststream::test]
    async fn one_handler_on_two_topics_is_called_with_each() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("a", &Order { id: 1 }).await;
        app.publish("b", &Order { id: 2 }).await;
        assert_eq!(seen.all(), ["a 1", "b 2"]);
    }
}

mod two_groups {
    use super::*;

    #[subscriber(topic = "a", group = "one")]
    async fn one(order: Order, State(seen): State<Arc<Seen>>) {
        seen.note(format!("one {}", order.id));
    }

    #[subscriber(topic = "a", group = "two")]
    async fn two(order: Order, State(seen): State<Arc<Seen>>) {
        seen.note(format!("two {}", order.id));
    }

    #[faststream::test]
    async fn two_groups_on_one_topic_both_get_each_record() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("a", &Order { id: 1 }).await;
        let mut all = seen.all();
        all.sort();
        assert_eq!(all, ["one 1", "two 1"]);
    }
}

mod tombstones {
    use super::*;

    #[subscriber(topic = "a")]
    async fn maybe(order: Option<Order>, key: Key<String>, State(seen): State<Arc<Seen>>) {
        seen.note(format!("{} {order:?}", key.0));
    }

    #[faststream::test]
    async fn a_tombstone_is_none() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        let mut tombstone = Outgoing::new("a", "");
        (tombstone.payload, tombstone.key) = (None, Some("k".into()));
        app.publish_record(tombstone).await;
        assert_eq!(seen.all(), ["k None"]);
    }
}

mod results {
    use super::*;

    #[subscriber(topic = "value")]
    #[publisher(topic = "out")]
    #[publisher(topic = "copy")]
    async fn value(order: Order) -> Order {
        order
    }

    #[subscriber(topic = "option")]
    #[publisher(topic = "out")]
    async fn option(order: Order) -> Option<Order> {
        (order.id > 1).then_some(order)
    }

    #[subscriber(topic = "many")]
    #[publisher(topic = "out")]
    async fn many(order: Order) -> Vec<Order> {
        (0..order.id).map(|id| Order { id }).collect()
    }

    #[publisher(topic = "out")]
    #[subscriber(topic = "result", on_error = Skip, retry(attempts = 1))]
    async fn result(order: Order) -> Result<Order, String> {
        if order.id > 1 { Ok(order) } else { Err("too small".into()) }
    }

    #[subscriber(topic = "record")]
    #[publisher(topic = "out")]
    async fn keyed(order: Order) -> Publish<Order> {
        Publish::new(order).header("kind", "order")
    }

    #[faststream::test]
    async fn what_a_handler_returns_is_published_as_its_type_says() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        for topic in ["value", "option", "many", "result", "record"] {
            for id in [1, 2] {
                app.publish(topic, &Order { id }).await;
            }
        }
        let ids: Vec<_> = app.published::<Order>("out").all().into_iter().map(|order| order.id).collect();
        assert_eq!(ids, [1, 2, 2, 0, 0, 1, 2, 1, 2]);
        assert_eq!(app.published::<Order>("copy").len(), 2);
    }
}

mod decisions {
    use super::*;

    use anyhow::Context;

    fn deep(order: &Order) -> anyhow::Result<()> {
        let checked: Result<(), std::io::Error> =
            if order.id == 0 { Err(std::io::Error::other("zero")) } else { Ok(()) };
        checked.or_reject()?;
        Ok(())
    }

    #[subscriber(topic = "a", on_error = DeadLetter)]
    async fn decides(order: Order, metadata: Metadata, State(seen): State<Arc<Seen>>) -> anyhow::Result<()> {
        seen.note(format!("{} {}", order.id, metadata.attempt));
        deep(&order).context("deep in the stack")?;
        Ok(())
    }

    #[faststream::test]
    async fn a_reject_deep_in_the_stack_is_not_retried() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("a", &Order { id: 0 }).await;
        app.publish("a", &Order { id: 1 }).await;
        assert_eq!(seen.all(), ["0 1", "1 1"]);
        assert_eq!(app.dead_letters("a").len(), 1);
    }
}

mod retries {
    use super::*;

    #[subscriber(topic = "a", retry(attempts = 3, backoff = "1s..2s"))]
    async fn flaky(order: Order, metadata: Metadata) -> Result<(), String> {
        if metadata.attempt < 3 { Err(format!("{} not yet", order.id)) } else { Ok(()) }
    }

    #[faststream::test]
    async fn a_publish_in_a_test_returns_once_retries_have_ended() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("a", &Order { id: 1 }).await;
        let attempts: Vec<_> = app.calls("flaky").iter().map(|call| call.attempt).collect();
        assert_eq!(attempts, [1, 2, 3]);
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("behaviours", "a").values().copied().collect::<Vec<_>>(), [1]);
    }
}

mod held {
    use super::*;

    #[subscriber(topic = "a", retry(attempts = 1))]
    async fn fails(order: Order) -> Result<(), String> {
        if order.id == 1 { Err("one is bad".into()) } else { Ok(()) }
    }

    #[faststream::test]
    async fn a_held_record_is_listed_blocks_its_partition_and_survives_a_crash() {
        let (app, _) = app(module_path!());
        let mut app = TestApp::start(app).await;
        for id in [0, 1, 2] {
            app.publish("a", &Order { id }).await;
        }
        assert_eq!(app.held().len(), 1);
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("behaviours", "a").values().copied().collect::<Vec<_>>(), [1]);
        app.crash().await;
        app.settle().await;
        assert_eq!((app.held().len(), app.held()[0].offset), (1, 1));
    }
}

mod panics {
    use super::*;

    #[subscriber(topic = "a", on_error = Skip, retry(attempts = 1))]
    async fn panics(order: Order) {
        assert!(order.id != 1, "one is bad");
    }

    #[subscriber(topic = "b", on_error = Skip, retry(attempts = 1))]
    fn panics_plain(order: Order) {
        assert!(order.id != 1, "one is bad");
    }

    #[faststream::test]
    async fn a_panic_is_an_outcome_and_everything_else_goes_on() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        for topic in ["a", "b"] {
            for id in [0, 1, 2] {
                app.publish(topic, &Order { id }).await;
            }
        }
        assert_eq!((app.calls("panics").len(), app.calls("panics_plain").len()), (3, 3));
        app.advance(Duration::from_secs(2)).await;
        for topic in ["a", "b"] {
            assert_eq!(app.committed("behaviours", topic).values().copied().collect::<Vec<_>>(), [3]);
        }
    }
}

mod manual {
    use super::*;

    #[derive(Default)]
    struct Later(Mutex<Vec<Ack>>);

    #[subscriber(topic = "a", ack = Manual)]
    async fn later(_order: Order, ack: Ack, State(later): State<Later>) {
        later.0.lock().expect("not poisoned").push(ack);
    }

    #[faststream::test]
    async fn an_ack_settles_later_and_after_a_crash_it_is_stale() {
        let (app, _) = app(module_path!());
        let mut app = TestApp::start(app.state(Later::default())).await;
        app.publish("a", &Order { id: 1 }).await;
        assert!(app.committed("behaviours", "a").is_empty());
        let state = app.state::<Later>().expect("given above");
        let ack = state.0.lock().expect("not poisoned").pop().expect("it was called");
        app.crash().await;
        assert!(ack.ack().is_err(), "stale");
        app.settle().await;
        let ack = state.0.lock().expect("not poisoned").pop().expect("it was called again");
        assert!(ack.ack().is_ok());
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("behaviours", "a").values().copied().collect::<Vec<_>>(), [1]);
    }

    #[faststream::test]
    async fn what_follows_from_an_ack_is_waited_for() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app.state(Later::default())).await;
        app.append("a", &Order { id: 1 });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let state = app.state::<Later>().expect("given above");
        state.0.lock().expect("not poisoned").pop().expect("it was called").nack().expect("not stale");
        app.settle().await;
        assert_eq!(app.calls("later").len(), 2);
    }
}

mod from_the_end {
    use super::*;

    #[subscriber(topic = "a", start = Latest)]
    async fn fails_at_first(_order: Order, metadata: Metadata) -> Result<(), String> {
        if metadata.attempt == 1 { Err("not yet".into()) } else { Ok(()) }
    }

    #[faststream::test]
    async fn a_group_that_began_at_the_end_loses_nothing_of_what_came_then() {
        for disturb in [MemoryBroker::rebalance, MemoryBroker::lose] {
            let (app, _) = app(module_path!());
            let app = TestApp::start(app).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            for id in 0..3 {
                app.append("a", &Order { id });
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            disturb(&app.broker(), "behaviours");
            app.settle().await;
            app.advance(Duration::from_secs(2)).await;
            assert_eq!(app.committed("behaviours", "a"), [(0, 3)].into());
        }
    }

    #[faststream::test]
    async fn a_crash_before_the_first_commit_loses_nothing_either() {
        let (app, _) = app(module_path!());
        let mut app = TestApp::start(app).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        app.append("a", &Order { id: 1 });
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.crash().await;
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("behaviours", "a"), [(0, 1)].into());
    }
}

mod verdicts {
    use super::*;

    #[subscriber(topic = "a", on_error = Skip)]
    async fn verdict(order: Order, State(seen): State<Arc<Seen>>) -> Verdict {
        seen.note(order.id.to_string());
        match order.id {
            0 => Verdict::Ack,
            1 => Verdict::Skip,
            _ => Verdict::reject("no"),
        }
    }

    #[faststream::test]
    async fn a_verdict_is_taken_at_its_word() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        for id in [0, 1, 2] {
            app.publish("a", &Order { id }).await;
        }
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(seen.all(), ["0", "1", "2"]);
        assert_eq!(app.committed("behaviours", "a").values().copied().collect::<Vec<_>>(), [3]);
    }
}

mod publishing {
    use super::*;

    #[subscriber(topic = "a")]
    async fn by_hand(order: Order, publisher: Publisher) -> anyhow::Result<()> {
        publisher.send("b", &order).await?;
        publisher.send("b", &order).await?;
        Ok(())
    }

    #[subscriber(topic = "b")]
    async fn follows(_order: Order) {}

    #[faststream::test]
    async fn a_publish_waits_for_what_the_results_caused() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("a", &Order { id: 1 }).await;
        assert_eq!((app.published::<Order>("b").len(), app.calls("follows").len()), (2, 2));
    }
}

mod recovery {
    use super::*;

    #[subscriber(topic = "a")]
    async fn handles(_order: Order) {}

    #[faststream::test]
    async fn failing_commits_never_stop_delivery_and_catch_up() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        app.broker().fail_commits(faststream::CommitClass::Transient, 20);
        for id in 0..100 {
            app.publish("a", &Order { id }).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(
                (app.calls("handles").len() as u64, app.committed("behaviours", "a").len()),
                (id + 1, 0)
            );
        }
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("behaviours", "a").values().copied().collect::<Vec<_>>(), [100]);
    }

    #[faststream::test]
    async fn a_crash_repeats_what_was_not_committed_and_loses_nothing() {
        let (app, _) = app(module_path!());
        let mut app = TestApp::start(app).await;
        for id in 0..10 {
            app.publish("a", &Order { id }).await;
        }
        app.crash().await;
        app.settle().await;
        assert!(app.calls("handles").len() >= 10);
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("behaviours", "a").values().copied().collect::<Vec<_>>(), [10]);
    }
}

mod cancelled {
    use super::*;

    #[subscriber(topic = "a")]
    async fn waits(
        _order: Order,
        cancellation: Cancellation,
        State(seen): State<Arc<Seen>>,
    ) -> Result<(), String> {
        cancellation.cancelled().await;
        seen.note("told");
        Err("not done".into())
    }

    #[faststream::test]
    async fn a_shutdown_tells_running_calls_and_gives_their_records_back() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        app.append("a", &Order { id: 1 });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let broker = app.broker().clone();
        let exit = app.shutdown().await;
        assert_eq!((exit.code, seen.all()), (0, vec!["told".to_owned()]));
        assert!(broker.committed("behaviours", "a").is_empty());
    }
}

mod many {
    use super::*;

    #[subscriber(topic = "a")]
    async fn counts(_order: Order) {}

    /// A hundred thousand in a release build, in less than 2 s.
    #[faststream::test]
    async fn a_test_may_publish_a_hundred_thousand() {
        let messages = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        let began = std::time::Instant::now();
        for id in 0..messages {
            app.publish("a", &Order { id }).await;
        }
        let took = began.elapsed();
        assert_eq!(app.calls("counts").len() as u64, messages);
        assert!(cfg!(debug_assertions) || took < Duration::from_secs(2), "{took:?}");
        println!("{messages} messages in {took:?}");
    }
}

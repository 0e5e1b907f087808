//! Retry topics as users rely on them: order of stages, delays, crashes, refusals; in virtual time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, GroupSettings, Metadata, Outgoing, Provision, State, TestApp, subscriber};
use faststream_core::app::{LaunchOptions, StartOptions};
use faststream_core::context::{CallReport, Observer, Observers};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
    /// Handled at this attempt; every one before fails.
    attempt: u32,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    order: u64,
    topic: String,
    partition: i32,
    offset: i64,
    attempt: u32,
    at: Duration,
}

/// The calls in order, with the time since the test began.
#[derive(Debug)]
struct Calls(Instant, Mutex<Vec<Call>>);

impl Calls {
    fn handle(&self, order: &Order, metadata: &Metadata) -> anyhow::Result<()> {
        let Metadata { topic, partition, offset, attempt, .. } = metadata.clone();
        let at = self.0.elapsed();
        let call = Call { order: order.id, topic: topic.to_string(), partition, offset, attempt, at };
        self.1.lock().expect("no handler panics under the lock").push(call);
        anyhow::ensure!(attempt >= order.attempt, "not before attempt {}", order.attempt);
        Ok(())
    }

    fn all(&self) -> Vec<Call> {
        self.1.lock().expect("no handler panics under the lock").clone()
    }

    /// Order, attempt, milliseconds.
    fn brief(&self) -> Vec<(u64, u32, u128)> {
        self.all().into_iter().map(|call| (call.order, call.attempt, call.at.as_millis())).collect()
    }
}

fn app_on(broker: MemoryBroker, module: &str) -> (FastStream, Arc<Calls>) {
    let calls = Arc::new(Calls(Instant::now(), Mutex::default()));
    let app = FastStream::new(broker).name("shop").module(module).state(Arc::clone(&calls));
    (app, calls)
}

fn app(module: &str) -> (FastStream, Arc<Calls>) {
    app_on(MemoryBroker::new(), module)
}

mod stages {
    use super::*;

    #[subscriber(topic = "orders", group = "billing", retry(topics = ["10s", "1m"]), on_error = DeadLetter)]
    async fn bill(order: Order, metadata: Metadata, State(calls): State<Arc<Calls>>) -> anyhow::Result<()> {
        calls.handle(&order, &metadata)
    }

    const FIRST: &str = "orders-billing-retry-10s";
    const SECOND: &str = "orders-billing-retry-1m";

    #[faststream::test]
    async fn stages_follow_each_other_after_their_delays_and_then_the_dead_letter() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("orders", &Order { id: 1, attempt: 9 }).await;
        let told = calls.brief();
        let [(1, 1, 0), (1, 2, second), (1, 3, third)] = told[..] else { panic!("{told:?}") };
        assert!((10_000..10_010).contains(&second) && (70_000..70_020).contains(&third), "{told:?}");
        let places: Vec<_> = app.calls("bill").into_iter().map(|call| call.topic).collect();
        assert_eq!(places, ["orders", FIRST, SECOND], "observers are told where a record is");
        let letters = app.dead_letters("orders");
        let letter = letters.first().expect("a dead letter");
        assert_eq!(
            (letters.len(), letter.topic.as_str(), letter.offset, letter.attempts),
            (1, "orders", 0, 3)
        );
        assert_eq!(letter.error, "not before attempt 9");
        app.advance(Duration::from_secs(2)).await;
        for topic in ["orders", FIRST, SECOND] {
            assert_eq!(app.committed("billing", topic).get(&0), Some(&1), "{topic}");
        }
        assert!(app.held().is_empty());
    }

    #[faststream::test]
    async fn nothing_waits_for_a_record_in_a_retry_topic() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.append("orders", &Order { id: 1, attempt: 2 });
        app.publish("orders", &Order { id: 2, attempt: 1 }).await;
        let told = calls.brief();
        assert_eq!(told[..2], [(1, 1, 0), (2, 1, 0)]);
        assert_eq!((told.len(), told[2].0, told[2].1), (3, 1, 2));
    }

    #[faststream::test]
    async fn handlers_see_where_a_record_was_first() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("orders", &Order { id: 1, attempt: 1 }).await;
        app.publish("orders", &Order { id: 2, attempt: 3 }).await;
        let places: Vec<_> =
            calls.all().into_iter().map(|call| (call.topic, call.partition, call.offset)).collect();
        let second = ("orders".to_owned(), 0, 1);
        assert_eq!(places[1..], [second.clone(), second.clone(), second]);
    }

    #[faststream::test]
    async fn a_copy_that_is_refused_is_published_until_it_is_accepted_and_its_delay_began_at_the_failure() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.broker().fail_publishes_to(FIRST, 5);
        app.publish("orders", &Order { id: 1, attempt: 2 }).await;
        let told = calls.brief();
        let [(1, 1, 0), (1, 2, second)] = told[..] else { panic!("{told:?}") };
        assert!((10_000..10_010).contains(&second), "{told:?}");
        assert_eq!(app.broker().records(FIRST).len(), 1);
    }

    /// What is there is left of a call's stage: no call may come sooner after the one before it.
    fn assert_delays_are_kept(crash: &str, calls: &[Call]) {
        for call in calls.iter().filter(|call| call.attempt > 1) {
            let delay = Duration::from_secs(if call.attempt == 2 { 10 } else { 60 });
            let before = |other: &&Call| other.order == call.order && other.attempt == call.attempt - 1;
            let first = calls.iter().filter(before).map(|other| other.at).min().expect("it has a past");
            assert!(call.at >= first + delay, "{crash}: {calls:?}");
        }
    }

    /// By time, and turn by turn where much happens at one moment: the failures, the copies, the commits.
    fn moments() -> Vec<(u64, usize)> {
        let by_time = (0..12_000).step_by(500).chain((12_000..76_000).step_by(4_000)).chain([999, 1_001]);
        let crowded = [0, 1_000, 10_000, 10_001, 70_000, 70_001, 70_002];
        let by_turn = crowded.into_iter().flat_map(|moment| (0..15).map(move |turns| (moment, turns)));
        by_time.map(|moment| (moment, 0)).chain(by_turn).collect()
    }

    #[faststream::test]
    async fn a_crash_at_any_moment_loses_nothing_and_shortens_no_delay() {
        for ((moment, turns), refusals) in
            moments().into_iter().flat_map(|crash_at| [0, 4].map(|refusals| (crash_at, refusals)))
        {
            let (app, calls) = app(module_path!());
            let mut app = TestApp::start(app).await;
            for topic in [FIRST, SECOND, "orders-dlt"] {
                app.broker().fail_publishes_to(topic, refusals);
            }
            for (id, attempt) in [(1, 3), (2, 1), (3, 9), (4, 2)] {
                app.append("orders", &Order { id, attempt });
            }
            sleep(Duration::from_millis(moment)).await;
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            app.crash().await;
            let (all, crash) =
                (calls.all(), format!("crash at {moment} ms and {turns} turns, {refusals} refusals"));
            assert_delays_are_kept(&crash, &all);
            for (id, attempt) in [(1, 3), (2, 1), (3, 3), (4, 2)] {
                let tried = all.iter().any(|call| call.order == id && call.attempt == attempt);
                assert!(tried, "{crash}: {id} was lost: {all:?}");
            }
            let letters = app.dead_letters("orders");
            assert!(
                !letters.is_empty() && letters.iter().all(|letter| letter.offset == 2),
                "{crash}: {letters:?}"
            );
            app.advance(Duration::from_secs(2)).await;
            for topic in ["orders", FIRST, SECOND] {
                let records = app.broker().records(topic).len();
                let committed = app.committed("billing", topic).get(&0).copied();
                assert_eq!(
                    committed.and_then(|next| usize::try_from(next).ok()),
                    Some(records),
                    "{crash}: {topic}"
                );
            }
        }
    }

    #[faststream::test]
    async fn a_delay_goes_on_over_a_crash() {
        let (app, calls) = app(module_path!());
        let mut app = TestApp::start(app).await;
        app.append("orders", &Order { id: 1, attempt: 2 });
        sleep(Duration::from_secs(3)).await;
        app.crash().await;
        let told = calls.brief();
        let [(1, 1, 0), (1, 2, second)] = told[..] else { panic!("{told:?}") };
        assert!((10_000..10_010).contains(&second), "neither sooner nor begun anew: {told:?}");
    }

    #[faststream::test]
    async fn a_start_that_takes_long_makes_no_delay_longer() {
        let (app, calls) = app(module_path!());
        let starts = Arc::new(AtomicU64::new(0));
        // Only the second one: the clock of the first is where the delay began.
        let app = app.on_startup(move || sleep(Duration::from_secs(2 * starts.fetch_add(1, Relaxed))));
        let mut app = TestApp::start(app).await;
        app.append("orders", &Order { id: 1, attempt: 2 });
        sleep(Duration::from_secs(1)).await;
        app.crash().await;
        let told = calls.brief();
        let [(1, 1, 0), (1, 2, second)] = told[..] else { panic!("{told:?}") };
        assert!((10_000..10_010).contains(&second), "{told:?}");
    }

    #[faststream::test]
    async fn a_rebalance_while_a_record_waits_changes_nothing() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.append("orders", &Order { id: 1, attempt: 2 });
        for _ in 0..4 {
            sleep(Duration::from_secs(2)).await;
            app.broker().rebalance("billing");
        }
        app.settle().await;
        let told = calls.brief();
        assert!(told.len() == 2 && (10_000..10_010).contains(&told[1].2), "{told:?}");
    }

    #[faststream::test]
    async fn a_stop_does_not_wait_for_what_is_not_due() {
        let (app, _) = app(module_path!());
        let app = TestApp::start(app).await;
        app.append("orders", &Order { id: 1, attempt: 2 });
        sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        assert_eq!(app.shutdown().await.code, 0);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }

    /// What became of records.
    #[derive(Default)]
    struct Dispositions(Mutex<Vec<String>>);

    impl Observer for Dispositions {
        fn called(&self, _: &CallReport<'_>) {}

        fn settled(
            &self,
            _: &str,
            topic: &str,
            _: i32,
            _: i64,
            disposition: faststream_core::result::Disposition,
        ) {
            self.0.lock().expect("not poisoned").push(format!("{topic} {disposition}"));
        }
    }

    #[faststream::test]
    async fn the_topics_have_the_partitions_of_their_source_and_records_keep_theirs() {
        let broker = MemoryBroker::new();
        broker.create_topic("orders", 4);
        let (app, calls) = app_on(broker.clone(), module_path!());
        let plan = app.plan(LaunchOptions::default()).expect("nothing is wrong");
        let dispositions = Arc::new(Dispositions::default());
        let observers = Observers::default().with(Arc::clone(&dispositions) as _);
        let options = StartOptions { observers, idle: broker.idle(), ..StartOptions::default() };
        let running = plan.start(options).await.expect("it starts");
        for topic in [FIRST, SECOND, "orders-dlt"] {
            assert_eq!(broker.topic_list().get(topic), Some(&4), "{topic}");
        }
        let payload = serde_json::to_vec(&Order { id: 1, attempt: 2 }).expect("JSON");
        let partition = faststream::Partition::Exactly(3);
        broker.append(Outgoing { partition, ..Outgoing::new("orders", payload) }).expect("it exists");
        broker.settled().await;
        assert_eq!(broker.records(FIRST).first().map(|(partition, _)| *partition), Some(3));
        assert_eq!(calls.all().last().map(|call| (call.partition, call.attempt)), Some((3, 2)));
        let told = dispositions.0.lock().expect("not poisoned").clone();
        assert_eq!(told, ["orders retried".to_owned(), format!("{FIRST} acked")]);
        drop(running);
    }

    #[faststream::test]
    async fn a_topic_that_is_refused_is_a_start_error_with_its_handler() {
        let broker = MemoryBroker::new();
        broker.refuse_topic(SECOND, "not authorized");
        let (app, _) = app_on(broker, module_path!());
        let exit = app.run_until(std::future::pending()).await;
        let text = exit.messages.join("\n");
        assert_eq!(exit.code, 1);
        for said in [SECOND, "not authorized", "stages::bill", "tests/records/retry_topics.rs:", "create it"]
        {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains(FIRST), "{text}");
    }

    #[faststream::test]
    async fn verified_only_a_missing_topic_is_a_start_error_and_nothing_is_made() {
        let broker = MemoryBroker::new();
        broker.create_topic(FIRST, 1);
        broker.create_topic("orders-dlt", 1);
        let (app, _) = app_on(broker.clone(), module_path!());
        let app = app.group_settings(GroupSettings::new().provision(Provision::Verify));
        let exit = app.run_until(std::future::pending()).await;
        let text = exit.messages.join("\n");
        assert!(exit.code == 1 && text.contains(SECOND) && text.contains("Provision::Create"), "{text}");
        assert!(!broker.has_topic(SECOND));
    }

    #[faststream::test]
    async fn a_broker_that_goes_away_before_the_topics_are_made_is_waited_for() {
        let broker = MemoryBroker::new();
        broker.disconnect(Duration::from_secs(90));
        let (app, _) = app_on(broker.clone(), module_path!());
        let plan = app.plan(LaunchOptions::default()).expect("nothing is wrong");
        let began = Instant::now();
        let running = plan.start(StartOptions::default()).await.expect("it starts");
        assert!(began.elapsed() >= Duration::from_secs(90) && broker.has_topic(SECOND));
        drop(running);
    }

    #[faststream::test]
    async fn a_stop_ends_the_waiting_for_a_broker_that_is_away() {
        let broker = MemoryBroker::new();
        broker.disconnect(Duration::from_secs(3600));
        let (app, _) = app_on(broker, module_path!());
        let exit = app.run_until(sleep(Duration::from_secs(5))).await;
        assert_eq!(exit.code, 0, "{exit:?}");
    }
}

mod in_place_first {
    use super::*;

    #[subscriber(topic = "orders", retry(attempts = 2, backoff = "1s", topics = ["10s"]))]
    async fn bill(order: Order, metadata: Metadata, State(calls): State<Arc<Calls>>) -> anyhow::Result<()> {
        calls.handle(&order, &metadata)
    }

    #[faststream::test]
    async fn attempts_in_place_are_made_at_each_stage_and_then_the_record_is_held() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("orders", &Order { id: 1, attempt: 9 }).await;
        assert_eq!(calls.brief().iter().map(|call| call.1).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let held = app.held();
        assert_eq!((held.len(), &*held[0].topic, held[0].attempts), (1, "orders-shop-retry-10s", 4));
        app.publish("orders", &Order { id: 2, attempt: 1 }).await;
        assert_eq!(calls.brief().last().map(|call| call.0), Some(2), "the source goes on");
    }
}

mod two_topics {
    use super::*;

    #[subscriber(topics = ["a", "b"], retry(topics = ["10s"]))]
    async fn both(order: Order, metadata: Metadata, State(calls): State<Arc<Calls>>) -> anyhow::Result<()> {
        calls.handle(&order, &metadata)
    }

    #[faststream::test]
    async fn a_handler_on_two_topics_has_retry_topics_for_each() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.append("a", &Order { id: 1, attempt: 2 });
        app.publish("b", &Order { id: 2, attempt: 2 }).await;
        let mut places: Vec<_> = calls.all().into_iter().map(|call| (call.topic, call.order)).collect();
        places.sort();
        let expected = [("a", 1), ("a", 1), ("b", 2), ("b", 2)];
        assert_eq!(places, expected.map(|(topic, order)| (topic.to_owned(), order)));
        for topic in ["a-shop-retry-10s", "b-shop-retry-10s"] {
            assert_eq!(app.broker().records(topic).len(), 1, "{topic}");
        }
    }
}

mod other_groups {
    use super::*;

    #[subscriber(topic = "orders", group = "billing", retry(topics = ["10s"]))]
    async fn bill(order: Order, metadata: Metadata, State(calls): State<Arc<Calls>>) -> anyhow::Result<()> {
        calls.handle(&order, &metadata)
    }

    #[subscriber(pattern = "^orders", group = "audit")]
    async fn audit(_order: Order) {}

    #[faststream::test]
    async fn other_groups_see_a_record_once_whatever_its_retries() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        app.publish("orders", &Order { id: 1, attempt: 2 }).await;
        assert_eq!((calls.all().len(), app.calls("audit").len()), (2, 1));
    }
}

mod long_waits {
    use super::*;

    #[subscriber(topic = "orders", retry(topics = ["3h"]))]
    async fn bill(order: Order, metadata: Metadata, State(calls): State<Arc<Calls>>) -> anyhow::Result<()> {
        calls.handle(&order, &metadata)
    }

    #[faststream::test]
    async fn an_app_whose_records_all_wait_is_well() {
        let broker = MemoryBroker::new();
        let (app, calls) = app_on(broker.clone(), module_path!());
        let plan = app.plan(LaunchOptions::default()).expect("nothing is wrong");
        let options = StartOptions { idle: broker.idle(), ..StartOptions::default() };
        let running = plan.start(options).await.expect("it starts");
        let payload = serde_json::to_vec(&Order { id: 1, attempt: 2 }).expect("JSON");
        broker.append(Outgoing::new("orders", payload)).expect("it exists");
        sleep(Duration::from_secs(600)).await;
        let health = running.health();
        assert!(health.live && health.ready && !health.degraded && health.reasons.is_empty(), "{health:?}");
        assert!(calls.all().len() == 1 && running.held().is_empty());
    }

    #[faststream::test]
    async fn a_wait_of_hours_counts_as_settled_and_is_neither_held_nor_forgotten() {
        let (app, calls) = app(module_path!());
        let app = TestApp::start(app).await;
        for id in 0..600 {
            app.append("orders", &Order { id, attempt: 2 });
        }
        app.settle().await;
        assert_eq!((calls.all().len(), app.held().len()), (600, 0));
        app.advance(Duration::from_secs(2 * 3600)).await;
        assert_eq!(calls.all().len(), 600);
        app.advance(Duration::from_secs(3601)).await;
        assert_eq!(calls.all().len(), 1_200);
    }
}

mod faults {
    use super::*;

    #[subscriber(topic = "orders", group = "our group", retry(topics = ["10s"]))]
    async fn illegal(_order: Order) {}

    #[subscriber(topic = "a-b", group = "c", retry(topics = ["10s"]))]
    async fn one(_order: Order) {}

    #[subscriber(topic = "a", group = "b-c", retry(topics = ["10s"]))]
    async fn other(_order: Order) {}

    #[subscriber(topic = "x", group = "g", retry(topics = ["10s"]))]
    async fn retries(_order: Order) {}

    #[subscriber(topic = "x-g-retry-10s", group = "g")]
    async fn reads_the_retries(_order: Order) {}

    #[subscriber(topics = ["y", "y-g-retry-10s"], group = "g", retry(topics = ["10s"]))]
    async fn reads_its_own(_order: Order) {}

    #[subscriber(topic = "${SOURCE}", group = "g", retry(topics = ["10s"]))]
    async fn long(_order: Order) {}

    #[test]
    fn names_that_cannot_be_and_topics_with_two_readers_are_told_at_once() {
        let (app, _) = runtime().block_on(async { app(module_path!()) });
        let long = "x".repeat(240);
        let environment = faststream_core::app::Environment::only([("SOURCE", long.as_str())]);
        let faults = app.plan(LaunchOptions { environment, ..LaunchOptions::default() }).expect_err("faults");
        let told = faults.to_string();
        for said in [
            "faults::illegal (tests/records/retry_topics.rs:",
            "`orders-our group-retry-10s` is no topic name",
            "its retries go to `a-b-c-retry-10s`, and so do those of",
            "reads `x-g-retry-10s` in the group `g`",
            "reads `y-g-retry-10s`, where its own retries go",
            "faults::long (tests/records/retry_topics.rs:",
        ] {
            assert!(told.contains(said), "{said}: {told}");
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    }
}

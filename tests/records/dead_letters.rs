//! Dead letters as users rely on them: exactly what is bad, with its reason, and never a whole topic; in virtual time.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{
    DeadLetterGuard, Decide, FastStream, GroupSettings, OnError, Outgoing, Partition, State, TestApp,
    subscriber,
};
use faststream_core::app::{LaunchOptions, StartOptions};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

/// While it is down, every call fails.
#[derive(Default)]
struct Database(AtomicBool);

fn app(module: &str) -> FastStream {
    FastStream::new(MemoryBroker::new()).name("shop").module(module).state(Database::default())
}

fn order(id: u64) -> Outgoing {
    let payload = serde_json::to_vec(&Order { id }).expect("JSON");
    let mut record = Outgoing::new("orders", payload);
    record.key = Some(id.to_string().into());
    record.headers = vec![("tenant".into(), Some("acme".into())), ("tenant".into(), None)];
    record.timestamp = Some(1_000 + i64::try_from(id).expect("small"));
    record
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

mod one_in_a_hundred {
    use super::*;

    #[subscriber(topic = "orders", group = "billing", retry(attempts = 2, backoff = "100ms"), on_error = DeadLetter)]
    async fn bill(order: Order, State(database): State<Database>) -> anyhow::Result<()> {
        anyhow::ensure!(!database.0.load(SeqCst), "the database is gone");
        anyhow::ensure!(order.id % 100 != 7, "order {} is bad", order.id);
        Ok(())
    }

    #[faststream::test]
    async fn exactly_the_bad_records_are_dead_letters_with_all_headers() {
        let broker = MemoryBroker::new();
        broker.create_topic("orders", 3);
        let app =
            FastStream::new(broker.clone()).name("shop").module(module_path!()).state(Database::default());
        let plan = app.plan(LaunchOptions::default()).expect("nothing is wrong");
        let options =
            StartOptions { idle: broker.idle(), started: Some(5_000_000), ..StartOptions::default() };
        let mut running = plan.start(options).await.expect("it starts");
        let mut places = std::collections::BTreeMap::new();
        for id in 0..1_000_u64 {
            let partition = Partition::Exactly(i32::try_from(id % 3).expect("small"));
            let at = broker.append(Outgoing { partition, ..order(id) }).expect("it exists");
            places.insert(id, at);
        }
        broker.settled().await;
        running.shutdown();
        assert_eq!(running.ended().await.code, 0);
        let committed: i64 = broker.committed("billing", "orders").values().sum();
        assert_eq!(committed, 1_000, "everything else was handled");

        let letters = broker.records("orders-dlt");
        assert_eq!(letters.len(), 10);
        for (partition, letter) in letters {
            let payload = letter.payload.as_deref().expect("no tombstone");
            let Order { id } = serde_json::from_slice(payload).expect("an order");
            let place = places[&id];
            assert_eq!((id % 100, partition), (7, place.partition), "at the partition of its original");
            assert_eq!(letter.key.as_deref().map(text), Some(&*id.to_string()));
            let headers: Vec<_> =
                letter.headers.iter().map(|(name, value)| (text(name), value.as_deref().map(text))).collect();
            assert_eq!(headers[..2], [("tenant", Some("acme")), ("tenant", None)]);
            let (partition, offset) = (place.partition.to_string(), place.offset.to_string());
            let (timestamp, error) = ((1_000 + id).to_string(), format!("order {id} is bad"));
            let expected = [
                ("dlt-original-topic", "orders"),
                ("dlt-original-partition", &partition),
                ("dlt-original-offset", &offset),
                ("dlt-original-timestamp", &timestamp),
                ("dlt-consumer-group", "billing"),
                ("dlt-handler", "bill"),
                ("dlt-attempts", "2"),
                ("dlt-error-type", headers[9].1.expect("a type")),
                ("dlt-error-message", &error),
            ];
            assert_eq!(headers[2..11], expected.map(|(name, value)| (name, Some(value))));
            let (name, failed_at) = headers[11];
            let failed_at: i64 = failed_at.expect("a time").parse().expect("milliseconds");
            assert!(name == "dlt-failed-at" && (5_000_000..5_010_000).contains(&failed_at), "{failed_at}");
            assert_eq!(headers.len(), 12);
        }
    }

    #[faststream::test]
    async fn a_dead_letter_topic_that_refuses_loses_nothing_and_takes_them_once_it_accepts() {
        let app = TestApp::start(app(module_path!())).await;
        app.broker().fail_publishes_to("orders-dlt", 20);
        for id in 0..200 {
            app.append_record(order(id));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(app.dead_letters("orders").len(), 0);
        let committed = app.committed("billing", "orders").get(&0).copied();
        assert!(committed.is_none_or(|next| next <= 7), "nothing behind the first bad one: {committed:?}");
        app.settle().await;
        assert_eq!(
            app.dead_letters("orders").iter().map(|letter| letter.offset).collect::<Vec<_>>(),
            [7, 107]
        );
        assert_eq!(app.calls("bill").len(), 202, "no handler ran again for a refused copy");
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("billing", "orders").get(&0), Some(&200));
    }

    #[faststream::test]
    async fn when_all_records_fail_the_guard_holds_and_it_goes_on_when_the_cause_is_mended() {
        let app = TestApp::start(app(module_path!())).await;
        let database = app.state::<Database>().expect("given");
        database.0.store(true, SeqCst);
        for id in 1_000..1_200 {
            app.append_record(order(id));
        }
        app.settle().await;
        assert_eq!(app.dead_letters("orders").len(), 50);
        let held = app.held();
        assert_eq!((held.len(), held[0].offset), (1, 50));
        assert_eq!(held[0].error, "dead-letter guard, 50 dead letters in a row: the database is gone");
        app.advance(Duration::from_secs(240)).await;
        assert_eq!((app.dead_letters("orders").len(), app.held().len()), (50, 1), "no more while it is down");
        // The one that is tried may be bad itself: after ten attempts it is given up, and the next one is tried.
        app.advance(Duration::from_secs(360)).await;
        assert_eq!((app.dead_letters("orders").len(), app.held().len()), (51, 1), "one in five minutes");
        database.0.store(false, SeqCst);
        app.advance(Duration::from_secs(31)).await;
        assert!(app.held().is_empty());
        // 1007 was among the fifty; 1107 is bad by itself.
        assert_eq!(app.dead_letters("orders").len(), 52);
        assert_eq!(app.shutdown().await.code, 0);
    }

    #[faststream::test]
    async fn health_says_why_the_guard_holds_and_that_nothing_is_read() {
        let broker = MemoryBroker::new();
        let database = Database(AtomicBool::new(true));
        let app = FastStream::new(broker.clone()).name("shop").module(module_path!()).state(database);
        let plan = app.plan(LaunchOptions::default()).expect("nothing is wrong");
        let options = StartOptions { idle: broker.idle(), ..StartOptions::default() };
        let running = plan.start(options).await.expect("it starts");
        for id in 0..60 {
            broker.append(order(id)).expect("it exists");
        }
        broker.settled().await;
        let health = running.health();
        assert!(health.live && health.degraded && !health.ready, "{health:?}");
        let said =
            "bill holds orders/0 at offset 50 after 2 attempts: dead-letter guard, 50 dead letters in a row";
        assert!(health.reasons.iter().any(|reason| reason.contains(said)), "{health:?}");
    }

    #[faststream::test]
    async fn the_guard_can_be_set_and_switched_off() {
        for (guard, letters) in [(Some(DeadLetterGuard::new(3, 101, 1)), 3), (None, 200)] {
            let settings = GroupSettings::new().dead_letter_guard(guard);
            let app = TestApp::start(app(module_path!()).group_settings(settings)).await;
            app.state::<Database>().expect("given").0.store(true, SeqCst);
            for id in 0..200 {
                app.append_record(order(id));
            }
            app.settle().await;
            assert_eq!(app.dead_letters("orders").len(), letters, "{guard:?}");
        }
    }
}

mod app_wide {
    use super::*;

    #[subscriber(topic = "orders", group = "a")]
    async fn says_nothing(_order: Order) -> anyhow::Result<()> {
        Err("always bad").or_reject()?;
        Ok(())
    }

    #[subscriber(topic = "orders", group = "b", dead_letter = "own")]
    async fn names_its_own(_order: Order) -> anyhow::Result<()> {
        Err("always bad").or_reject()?;
        Ok(())
    }

    #[subscriber(topic = "orders", group = "c", on_error = Skip)]
    async fn skips(_order: Order) -> anyhow::Result<()> {
        Err("always bad").or_reject()?;
        Ok(())
    }

    #[faststream::test]
    async fn the_apps_dead_letter_topic_is_a_default() {
        let app = TestApp::start(app(module_path!()).dead_letter("all-dead")).await;
        for topic in ["all-dead", "own"] {
            assert!(app.broker().has_topic(topic), "{topic} is made at start");
        }
        assert!(!app.broker().has_topic("orders-dlt"));
        app.publish_record(order(1)).await;
        assert_eq!((app.broker().records("all-dead").len(), app.broker().records("own").len()), (1, 1));
        assert!(app.held().is_empty());
    }

    #[faststream::test]
    async fn a_dead_letter_topic_that_contradicts_or_cannot_be_is_told() {
        let plan =
            app(module_path!()).dead_letter("no name").on_error(OnError::Skip).plan(LaunchOptions::default());
        let told = plan.expect_err("faults").to_string();
        for said in ["`no name` is no topic name", "`.on_error(Skip)` contradict each other"] {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}

mod retried_then_dead {
    use super::*;

    #[subscriber(topic = "orders", group = "billing", retry(topics = ["10s"]), dead_letter = "graves")]
    async fn bill(_order: Order) -> anyhow::Result<()> {
        anyhow::bail!("always bad")
    }

    #[faststream::test]
    async fn the_guard_of_the_last_retry_topic_holds_there_and_the_source_goes_on() {
        let app = TestApp::start(app(module_path!())).await;
        for id in 0..200 {
            app.append_record(order(id));
        }
        app.settle().await;
        let held = app.held();
        assert_eq!((held.len(), &*held[0].topic, held[0].offset), (1, "orders-billing-retry-10s", 50));
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("billing", "orders").get(&0), Some(&200));
        assert_eq!(app.broker().records("graves").len(), 50);
        assert_eq!(app.dead_letters("orders").len(), 50);
    }
}

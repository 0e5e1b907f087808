//! What panics where nobody expects it: an outcome of its record, not the end of its partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, Metadata, State, TestApp, subscriber};
use faststream_core::app::{LaunchOptions, StartOptions};
use faststream_core::context::{CallReport, Observer, Observers};

/// A payload of a panic whose drop panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in the drop of a payload");
    }
}

fn explode() {
    std::panic::panic_any(Bomb);
}

mod payload {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 3, backoff = "10ms"), on_error = DeadLetter)]
    async fn waits(id: u64) {
        if id == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            std::panic::panic_any(Bomb);
        }
    }

    #[subscriber(topic = "in", group = "at-once", retry(attempts = 3, backoff = "10ms"), on_error = DeadLetter)]
    async fn at_once(id: u64) {
        if id == 0 {
            std::panic::panic_any(Bomb);
        }
    }

    #[subscriber(topic = "in", group = "plain", retry(attempts = 3, backoff = "10ms"), on_error = DeadLetter)]
    fn plain(id: u64) {
        if id == 0 {
            std::panic::panic_any(Bomb);
        }
    }

    #[faststream::test]
    async fn a_panic_whose_payload_panics_when_dropped_is_a_failed_attempt() {
        let app = FastStream::new(MemoryBroker::new()).name("payload").module(module_path!());
        let app = TestApp::start(app).await;
        app.publish("in", &0_u64).await;
        app.publish("in", &1_u64).await;
        for handler in ["waits", "at_once", "plain"] {
            let calls: Vec<_> = app
                .calls(handler)
                .into_iter()
                .map(|call| (call.offset, call.attempt, call.error.is_some()))
                .collect();
            assert_eq!(calls, [(0, 1, true), (0, 2, true), (0, 3, true), (1, 1, false)], "{handler}");
        }
        assert_eq!(app.dead_letters("in").len(), 3);
        assert!(!app.health().degraded, "{:?}", app.health());
    }
}

mod hooks {
    use super::*;

    #[subscriber(topic = "in")]
    async fn handle(_id: u64) {}

    #[faststream::test]
    async fn hooks_whose_panics_panic_when_dropped_hurt_nothing() {
        let app = FastStream::new(MemoryBroker::new()).name("hooks").module(module_path!());
        let app = app
            .on_assigned(|_hook, _rebalance| async { explode() })
            .on_revoked(|_hook, _rebalance| async { explode() })
            .on_shutdown(async || explode());
        let app = TestApp::start(app).await;
        app.publish("in", &0_u64).await;
        app.broker().rebalance("hooks");
        app.publish("in", &1_u64).await;
        assert_eq!(app.calls("handle").len(), 2);
        let exit = app.shutdown().await;
        assert_eq!((exit.code, exit.messages), (0, vec!["hook 1 of `on_shutdown` panicked".to_owned()]));
    }
}

mod lane {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 6, backoff = "10ms"), on_error = DeadLetter)]
    async fn handle(_id: u64, metadata: Metadata, State(handled): State<Arc<AtomicBool>>) {
        handled.store(metadata.offset == 1, SeqCst);
    }

    /// Kills the task of the lane at one record, as what nobody thought of does.
    struct Kills;

    impl Observer for Kills {
        fn called(&self, report: &CallReport<'_>) {
            assert!(report.offset != 0, "kills the task");
        }
    }

    #[faststream::test]
    async fn a_task_that_dies_at_a_record_fails_an_attempt_and_health_says_where() {
        let (broker, handled) = (MemoryBroker::new(), Arc::new(AtomicBool::new(false)));
        broker.create_topic("in", 1);
        let app =
            FastStream::new(broker.clone()).name("dies").module(module_path!()).state(Arc::clone(&handled));
        for id in 0..2 {
            broker.append(faststream::Outgoing::new("in", id.to_string())).expect("it is appended");
        }
        let plan = app.plan(LaunchOptions::default()).expect("a right app");
        let options =
            StartOptions { observers: Observers::default().with(Arc::new(Kills)), ..StartOptions::default() };
        let mut running = plan.start(options).await.expect("it starts");
        let (mut degraded, mut unready) = (None, None);
        for _ in 0..6_000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let health = running.health();
            let said =
                |reason: &&String| reason.contains("in/0 died") && reason.contains("(handle, at offset 0)");
            let reason = health.reasons.iter().find(said).cloned();
            degraded = degraded.or(reason.clone().filter(|_| health.degraded && health.ready));
            unready = unready.or(reason.filter(|_| !health.ready));
            if handled.load(SeqCst) {
                break;
            }
        }
        assert!(handled.load(SeqCst), "the next record is handled: {:?}", running.health());
        let letters = broker.records("in-dlt");
        assert_eq!(letters.len(), 1, "its retries ran out");
        let header = |name: &str| {
            let header = letters[0].1.headers.iter().find(|(key, _)| key == name.as_bytes());
            header.and_then(|(_, value)| Some(String::from_utf8_lossy(value.as_deref()?).into_owned()))
        };
        assert_eq!(header("dlt-attempts").as_deref(), Some("6"));
        assert!(
            header("dlt-error-message")
                .expect("a reason")
                .contains("the task of its partition died at it, 6 times")
        );
        assert!(degraded.is_some() && unready.is_some(), "{degraded:?}, {unready:?}");
        tokio::time::sleep(Duration::from_secs(120)).await;
        let health = running.health();
        assert!(health.ready && !health.degraded, "it is forgotten: {health:?}");
        running.shutdown();
        assert_eq!(running.ended().await.code, 0);
    }
}

mod state {
    use super::*;

    /// Its drop panics, as that of a client that cannot be closed may.
    #[derive(Default)]
    struct Client(Option<Arc<AtomicBool>>);

    impl Drop for Client {
        fn drop(&mut self) {
            if let Some(dropped) = &self.0 {
                dropped.store(true, SeqCst);
                panic!("in the drop of a state");
            }
        }
    }

    #[subscriber(topic = "in")]
    async fn handle(_id: u64, State(_client): State<Arc<Client>>) {}

    fn app(dropped: &Arc<AtomicBool>) -> FastStream {
        let client = Arc::new(Client(Some(Arc::clone(dropped))));
        FastStream::new(MemoryBroker::new()).name("state").module(module_path!()).state(client)
    }

    #[faststream::test]
    async fn a_state_whose_drop_panics_changes_neither_the_stop_nor_its_code() {
        let dropped = Arc::new(AtomicBool::new(false));
        let exit = app(&dropped).run_until(tokio::time::sleep(Duration::from_secs(1))).await;
        assert_eq!((exit.code, exit.messages), (0, vec![]));
        assert!(dropped.load(SeqCst));
    }

    #[faststream::test]
    async fn a_state_whose_drop_panics_is_replaced_all_the_same() {
        let dropped = Arc::new(AtomicBool::new(false));
        let app = TestApp::start(app(&dropped).state(Arc::new(Client::default()))).await;
        assert!(dropped.load(SeqCst));
        app.publish("in", &1_u64).await;
        assert_eq!(app.committed("state", "in").len(), 0, "committed a second later");
        assert_eq!(app.shutdown().await.code, 0);
    }

    #[faststream::test]
    async fn the_start_of_an_app_that_fails_says_why_although_the_drop_of_a_state_panics() {
        let dropped = Arc::new(AtomicBool::new(false));
        let app = app(&dropped).on_startup(async || Err::<(), _>("no licence"));
        let exit = app.run_until(std::future::pending()).await;
        assert_eq!(exit.code, 1);
        assert!(exit.messages.iter().any(|message| message.contains("no licence")), "{exit:?}");
    }
}

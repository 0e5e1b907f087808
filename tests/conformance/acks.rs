//! When a record is finished, and what becomes of it if it fails.

pub(crate) mod success_commits_one_past_the_record_under_every_policy {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Ack, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    const TOPICS: [&str; 5] = ["ok-first", "ok-ack", "ok-reject", "ok-nack", "ok-manual"];

    #[subscriber(topic = "ok-first", ack = AckFirst, commit = Each)]
    async fn first(_value: i64, State(seen): State<Seen>) {
        seen.note("first");
    }

    #[subscriber(topic = "ok-ack", ack = Ack)]
    async fn ack(_value: i64, State(seen): State<Seen>) {
        seen.note("ack");
    }

    #[subscriber(topic = "ok-reject", ack = RejectOnError)]
    async fn reject(_value: i64, State(seen): State<Seen>) {
        seen.note("reject");
    }

    #[subscriber(topic = "ok-nack", commit = Each)]
    async fn nack(_value: i64, State(seen): State<Seen>) {
        seen.note("nack");
    }

    #[subscriber(topic = "ok-manual", ack = Manual)]
    async fn manual(_value: i64, ack: Ack, State(seen): State<Seen>) {
        seen.note("manual");
        ack.ack().expect("not stale");
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            for topic in TOPICS {
                backend.create_topic(topic, 1);
                backend.produce(number(topic, 1));
            }
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(5).await;
            assert_eq!(world.seen.sorted(), ["ack", "first", "manual", "nack", "reject"]);
            world.stop().await;
            for topic in TOPICS {
                assert_eq!(backend.committed("conformance", topic, 1), [(0, 1)].into(), "{topic}");
            }
        })
    }
}

pub(crate) mod a_failure_is_finished_or_retried_by_its_policy {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Metadata, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[subscriber(topic = "bad-ack", ack = Ack)]
    async fn ack(_value: i64, metadata: Metadata, State(seen): State<Seen>) -> Result<(), String> {
        seen.note(format!("ack {}", metadata.attempt));
        Err("fails".into())
    }

    #[subscriber(topic = "bad-reject", ack = RejectOnError)]
    async fn reject(_value: i64, metadata: Metadata, State(seen): State<Seen>) -> Result<(), String> {
        seen.note(format!("reject {}", metadata.attempt));
        Err("fails".into())
    }

    #[subscriber(topic = "bad-nack", retry(attempts = 3, backoff = "10ms"), on_error = Skip)]
    async fn nack(_value: i64, metadata: Metadata, State(seen): State<Seen>) -> Result<(), String> {
        seen.note(format!("nack {}", metadata.attempt));
        assert!(metadata.attempt != 2, "panics at its second attempt");
        Err("fails".into())
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            let topics = ["bad-ack", "bad-reject", "bad-nack"];
            for topic in topics {
                backend.create_topic(topic, 1);
                backend.produce(number(topic, 1));
            }
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(5).await;
            assert_eq!(world.seen.sorted(), ["ack 1", "nack 1", "nack 2", "nack 3", "reject 1"]);
            let committed = |topic| backend.committed("conformance", topic, 1);
            until("all are finished", || topics.iter().all(|topic| committed(topic) == [(0, 1)].into()))
                .await;
            world.stop().await;
        })
    }
}

pub(crate) mod a_held_record_keeps_the_committed_offset_before_it {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[subscriber(topic = "held", retry(attempts = 1), on_decode_error = Skip)]
    async fn holds(value: i64, State(seen): State<Seen>) -> Result<(), String> {
        seen.note(value.to_string());
        if value == 1 { Err("one is bad".into()) } else { Ok(()) }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("held", 1);
            for value in [0, 1, 2] {
                backend.produce(number("held", value));
            }
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(2).await;
            until("it is listed", || world.running.held().len() == 1).await;
            assert_eq!((world.running.held()[0].offset, world.seen.all()), (1, vec!["0".into(), "1".into()]));
            assert!(world.running.health().degraded);
            assert_eq!(world.stop().await.code, 0, "a held record is given back at once");
            assert_eq!(backend.committed("conformance", "held", 1), [(0, 1)].into());
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(1).await;
            assert_eq!(world.seen.all(), ["1"], "it comes again");
            world.stop().await;
        })
    }
}

pub(crate) mod a_stop_ends_the_app_with_3_and_both_records_come_again {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use faststream::{State, Verdict, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    struct Stops(AtomicBool);

    #[subscriber(topic = "stops")]
    async fn stops(value: i64, State(seen): State<Seen>, State(stops): State<Stops>) -> Verdict {
        seen.note(value.to_string());
        if stops.0.load(SeqCst) { Verdict::Stop } else { Verdict::Ack }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("stops", 1);
            backend.produce(number("stops", 1));
            backend.produce(number("stops", 2));
            let mut world = World::start(backend.app().state(Stops(true.into())), module_path!()).await;
            let exit = world.ends().await;
            assert_eq!((exit.code, world.seen.all()), (3, vec!["1".to_owned()]), "{:?}", exit.messages);
            let world = World::start(backend.app().state(Stops(false.into())), module_path!()).await;
            world.sees(2).await;
            assert_eq!(world.seen.all(), ["1", "2"]);
            world.stop().await;
        })
    }
}

pub(crate) mod a_call_cut_off_by_the_drain_is_handled_again {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    struct Stuck(AtomicBool);

    #[subscriber(topic = "stuck", drain = "200ms")]
    async fn stuck(value: i64, State(seen): State<Seen>, State(stuck): State<Stuck>) {
        seen.note(value.to_string());
        if stuck.0.load(SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("stuck", 1);
            backend.produce(number("stuck", 1));
            let world = World::start(backend.app().state(Stuck(true.into())), module_path!()).await;
            world.sees(1).await;
            let exit = world.stop().await;
            assert_eq!(exit.code, 2);
            assert!(exit.messages[0].contains("stuck/0 at offset 0"), "{:?}", exit.messages);
            assert!(backend.committed("conformance", "stuck", 1).is_empty());
            let world = World::start(backend.app().state(Stuck(false.into())), module_path!()).await;
            world.sees(1).await;
            assert_eq!((world.seen.all(), world.stop().await.code), (vec!["1".to_owned()], 0));
        })
    }
}

pub(crate) mod unsettled_records_come_again_after_a_restart {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Mutex;

    use faststream::{Ack, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[derive(Default)]
    struct Kept(Mutex<Vec<Ack>>);

    #[subscriber(topic = "unsettled", ack = Manual, drain = "100ms")]
    async fn keeps(value: i64, ack: Ack, State(seen): State<Seen>, State(kept): State<Kept>) {
        kept.0.lock().expect("not poisoned").push(ack);
        seen.note(value.to_string());
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("unsettled", 1);
            backend.produce(number("unsettled", 1));
            let kept = std::sync::Arc::new(Kept::default());
            let app = || {
                backend.app().state_with({
                    let kept = std::sync::Arc::clone(&kept);
                    move || async move {
                        Ok::<_, std::io::Error>(Kept(Mutex::new(std::mem::take(
                            &mut *kept.0.lock().expect("fine"),
                        ))))
                    }
                })
            };
            let world = World::start(app(), module_path!()).await;
            world.sees(1).await;
            world.stop().await;
            assert!(backend.committed("conformance", "unsettled", 1).is_empty());
            let world = World::start(app(), module_path!()).await;
            world.sees(1).await;
            assert_eq!(world.seen.all(), ["1"]);
            world.stop().await;
        })
    }
}

pub(crate) mod dead_letters_say_where_they_are_from {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[subscriber(topic = "letters", retry(attempts = 2, backoff = "10ms"), on_error = DeadLetter)]
    async fn fails(value: i64, State(seen): State<Seen>) -> Result<(), String> {
        seen.note(value.to_string());
        if value == 1 { Err("one is bad".into()) } else { Ok(()) }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("letters", 1);
            backend.create_topic("letters-dlt", 1);
            for value in [0, 1, 2] {
                backend.produce(number("letters", value));
            }
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(4).await;
            until("it is published", || backend.records("letters-dlt", 1).len() == 1).await;
            world.stop().await;
            let (_, letter) = backend.records("letters-dlt", 1).remove(0);
            let header = |name: &str| {
                let found = letter.headers.iter().find(|(key, _)| key == name.as_bytes());
                String::from_utf8_lossy(found.and_then(|(_, value)| value.as_deref()).unwrap_or_default())
                    .into_owned()
            };
            let expected = [("topic", "letters"), ("partition", "0"), ("offset", "1")];
            for (name, value) in expected {
                assert_eq!(header(&format!("dlt-original-{name}")), value);
            }
            assert_eq!(
                (header("dlt-attempts"), header("dlt-error-message")),
                ("2".into(), "one is bad".into())
            );
            assert_eq!(backend.committed("conformance", "letters", 1), [(0, 3)].into());
        })
    }
}

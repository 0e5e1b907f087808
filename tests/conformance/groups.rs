//! What a group's members are told, and what they may wait for.

pub(crate) mod a_durable_ack_returns_once_the_broker_has_it {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::Duration;

    use faststream::{Ack, GroupSettings, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topic = "durable", ack = Manual)]
    async fn durable(value: i64, ack: Ack, State(seen): State<Seen>) {
        ack.ack_durable().await.expect("not stale");
        seen.note(value.to_string());
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("durable", 1);
            backend.produce(number("durable", 7));
            // The timer has no part in it: it is an hour away.
            let settings = GroupSettings::new().commit_interval(Duration::from_secs(3600));
            let world = World::start(backend.app().group_settings(settings), module_path!()).await;
            world.sees(1).await;
            assert_eq!(backend.committed("conformance", "durable", 1), [(0, 1)].into());
            world.stop().await;
        })
    }
}

pub(crate) mod a_revocation_does_not_wait_for_calls_that_wait_for_their_commit {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::{Duration, Instant};

    use faststream::{Ack, Cancellation, GroupSettings, Outgoing, Partition, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topic = "moving", ack = Manual, drain = "20s")]
    async fn moving(value: i64, ack: Ack, cancellation: Cancellation, State(seen): State<Seen>) {
        seen.note(format!("begins {value}"));
        cancellation.cancelled().await;
        ack.ack_durable().await.expect("not stale");
        seen.note(format!("ends {value}"));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("moving", 2);
            for partition in 0..2 {
                let record = number("moving", i64::from(partition));
                backend.produce(Outgoing { partition: Partition::Exactly(partition), ..record });
            }
            let settings = GroupSettings::new().commit_interval(Duration::from_secs(3600));
            let member = || World::start(backend.app().group_settings(settings.clone()), module_path!());
            let first = member().await;
            first.sees(2).await;
            let joined = Instant::now();
            let second = member().await;
            // One of the two moves.
            first.sees(3).await;
            assert!(joined.elapsed() < Duration::from_secs(15), "it ended after {:?}", joined.elapsed());
            first.stop().await;
            second.stop().await;
            assert_eq!(backend.committed("conformance", "moving", 2), [(0, 1), (1, 1)].into());
        })
    }
}

pub(crate) mod hooks_frame_what_is_handled {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::time::Duration;

    use faststream::{HookContext, Rebalance, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topic = "hooked", group = "hooked")]
    async fn handle(value: i64, State(seen): State<Seen>) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        seen.note(format!("handled {value}"));
    }

    async fn note(hook: HookContext, what: &str, rebalance: Rebalance) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let seen = hook.state::<Seen>().expect("given by the world");
        for place in rebalance.partitions {
            seen.note(format!("{what} {}/{}@{}", place.topic, place.partition, place.offset));
        }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("hooked", 1);
            backend.produce(number("hooked", 1));
            let app = backend
                .app()
                .on_assigned(|hook, rebalance| note(hook, "assigned", rebalance))
                .on_revoked(|hook, rebalance| note(hook, "revoked", rebalance));
            let world = World::start(app, module_path!()).await;
            let seen = Arc::clone(&world.seen);
            world.sees(2).await;
            assert_eq!(seen.all(), ["assigned hooked/0@0", "handled 1"]);
            backend.produce(number("hooked", 2));
            world.sees(3).await;
            assert_eq!(world.stop().await.code, 0);
            assert_eq!(seen.all()[2..], ["handled 2", "revoked hooked/0@2"]);
        })
    }
}

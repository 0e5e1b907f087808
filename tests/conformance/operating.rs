//! What operators do: pauses, resumes and seeks of a running app.

pub(crate) mod a_paused_handler_is_called_again_once_it_is_resumed {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::Duration;

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topic = "operated-pause", group = "operated-pause")]
    async fn paused(value: i64, State(seen): State<Seen>) {
        seen.note(value.to_string());
    }

    #[subscriber(topic = "operated-beside", group = "operated-pause")]
    async fn beside(value: i64, State(seen): State<Seen>) {
        seen.note(value.to_string());
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            let (topic, other) = ("operated-pause", "operated-beside");
            backend.create_topic(topic, 1);
            backend.create_topic(other, 1);
            let world = World::start(backend.app(), module_path!()).await;
            backend.produce(number(topic, 1));
            world.sees(1).await;
            world.running.pause("paused").await.expect("there is such a handler");
            for value in 2..5 {
                backend.produce(number(topic, value));
            }
            backend.produce(number(other, 10));
            world.sees(2).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(world.seen.all(), ["1", "10"]);
            let health = world.running.health();
            assert!(health.ready && health.reasons.iter().any(|reason| reason.contains("paused is paused")));
            world.running.resume("paused").await.expect("there is such a handler");
            world.sees(5).await;
            assert_eq!(world.seen.all(), ["1", "10", "2", "3", "4"]);
            assert_eq!(world.stop().await.code, 0);
            assert_eq!(backend.committed(topic, topic, 1), [(0, 4)].into());
        })
    }
}

pub(crate) mod a_pause_survives_members_that_come_and_go {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::Duration;

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[subscriber(topic = "operated-members", group = "operated-members", drain = "1s")]
    async fn paused(value: i64, State(seen): State<Seen>) {
        seen.note(value.to_string());
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            let topic = "operated-members";
            backend.create_topic(topic, 2);
            let first = World::start(backend.app(), module_path!()).await;
            until("it has both partitions", || first.running.partitions() == 2).await;
            first.running.pause("paused").await.expect("there is such a handler");
            let second = World::start(backend.app(), module_path!()).await;
            until("each has one", || first.running.partitions() == 1 && second.running.partitions() == 1)
                .await;
            assert_eq!(second.stop().await.code, 0);
            until("it has both again", || first.running.partitions() == 2).await;
            for value in 0..20 {
                backend.produce(number(topic, value).keyed(value));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(first.seen.all().is_empty(), "{:?}", first.seen.all());
            first.running.resume("paused").await.expect("there is such a handler");
            first.sees(20).await;
            assert_eq!(first.stop().await.code, 0);
        })
    }

    trait Keyed {
        fn keyed(self, key: i64) -> Self;
    }

    impl Keyed for faststream::Outgoing {
        fn keyed(mut self, key: i64) -> Self {
            self.key = Some(key.to_string().into());
            self
        }
    }
}

pub(crate) mod a_seek_repeats_or_skips_and_a_restart_goes_on_there {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{SeekTo, State, TopicPartition, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[subscriber(topic = "operated-seek", group = "operated-seek")]
    async fn sought(value: i64, State(seen): State<Seen>) {
        seen.note(value.to_string());
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            let topic = "operated-seek";
            let tp = TopicPartition::new(topic, 0);
            backend.create_topic(topic, 1);
            let world = World::start(backend.app(), module_path!()).await;
            for value in 0..5 {
                backend.produce(number(topic, value));
            }
            world.sees(5).await;
            until("all is committed", || backend.committed(topic, topic, 1) == [(0, 5)].into()).await;
            let sought = |to| world.running.seek("sought", tp.clone(), to);
            assert_eq!(sought(SeekTo::Offset(3)).await, Ok(3));
            world.sees(7).await;
            assert_eq!(sought(SeekTo::Beginning).await, Ok(0));
            world.sees(12).await;
            assert_eq!(world.seen.all(), ["0", "1", "2", "3", "4", "3", "4", "0", "1", "2", "3", "4"]);
            // Skipped, and committed although nothing else comes.
            world.running.pause("sought").await.expect("there is such a handler");
            backend.produce(number(topic, 5));
            backend.produce(number(topic, 6));
            assert_eq!(sought(SeekTo::End).await, Ok(7));
            until("the skip is committed", || backend.committed(topic, topic, 1) == [(0, 7)].into()).await;
            assert_eq!(world.stop().await.code, 0);
            let again = World::start(backend.app(), module_path!()).await;
            backend.produce(number(topic, 7));
            again.sees(1).await;
            assert_eq!(again.seen.all(), ["7"]);
            // Backwards, and stopped before any commit by its timer.
            assert_eq!(again.running.seek("sought", tp.clone(), SeekTo::Offset(2)).await, Ok(2));
            again.sees(7).await;
            assert_eq!(again.stop().await.code, 0);
            assert_eq!(backend.committed(topic, topic, 1), [(0, 8)].into());
        })
    }
}

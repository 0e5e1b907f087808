//! What is read, by whom, and in what order.

pub(crate) mod each_record_is_handled_once_with_its_own_topic {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Metadata, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topics = ["once-a", "once-b"])]
    async fn both(value: i64, metadata: Metadata, State(seen): State<Seen>) {
        seen.note(format!("{} {value}", metadata.topic));
    }

    #[subscriber(topic = "once-c")]
    fn other(value: i64, State(seen): State<Seen>) {
        seen.note(format!("other {value}"));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            for topic in ["once-a", "once-b", "once-c"] {
                backend.create_topic(topic, 1);
            }
            let world = World::start(backend.app(), module_path!()).await;
            for (value, topic) in (1..).zip(["once-a", "once-b", "once-c"]) {
                backend.produce(number(topic, value));
            }
            world.sees(3).await;
            assert_eq!(world.seen.sorted(), ["once-a 1", "once-b 2", "other 3"]);
            assert_eq!(world.stop().await.code, 0);
            assert_eq!(backend.committed("conformance", "once-a", 1), [(0, 1)].into());
        })
    }
}

pub(crate) mod two_groups_both_get_each_record {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topic = "groups", group = "groups-one")]
    async fn one(value: i64, State(seen): State<Seen>) {
        seen.note(format!("one {value}"));
    }

    #[subscriber(topic = "groups", group = "groups-two")]
    async fn two(value: i64, State(seen): State<Seen>) {
        seen.note(format!("two {value}"));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("groups", 2);
            let world = World::start(backend.app(), module_path!()).await;
            backend.produce(number("groups", 1));
            backend.produce(number("groups", 2));
            world.sees(4).await;
            assert_eq!(world.seen.sorted(), ["one 1", "one 2", "two 1", "two 2"]);
            world.stop().await;
        })
    }
}

pub(crate) mod tombstones_and_strange_headers_are_readable {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Headers, Key, Outgoing, Rejection, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World};

    #[subscriber(topic = "strange")]
    async fn read(
        value: Result<Option<i64>, Rejection>,
        key: Option<Key>,
        headers: Headers,
        State(seen): State<Seen>,
    ) {
        let value = value.map_err(|_| "unreadable");
        let headers: Vec<_> = headers.iter().map(|(_, value)| value.map(<[u8]>::to_vec)).collect();
        seen.note(format!("{value:?} {:?} {headers:?}", key.map(|key| key.0)));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("strange", 1);
            let world = World::start(backend.app(), module_path!()).await;
            let tombstone = Outgoing { payload: None, key: Some("k".into()), ..Outgoing::new("strange", "") };
            backend.produce(tombstone);
            let mut record = Outgoing::new("strange", "");
            record.headers = vec![
                ("twice".into(), Some(vec![0xff, 0xfe].into())),
                ("twice".into(), Some("".into())),
                ("null".into(), None),
            ];
            backend.produce(record);
            world.sees(2).await;
            let expected =
                [r#"Ok(None) Some(b"k") []"#, r#"Err("unreadable") None [Some([255, 254]), Some([]), None]"#];
            assert_eq!(world.seen.all(), expected);
            world.stop().await;
        })
    }
}

pub(crate) mod keys_keep_their_order_while_others_overtake {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::Duration;

    use faststream::{Key, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topic = "keyed", order = Key, concurrency = 4)]
    async fn keyed(value: i64, key: Key<String>, State(seen): State<Seen>) {
        let pause = if key.0 == "slow" { 200 } else { 1 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        seen.note(format!("{} {value}", key.0));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("keyed", 1);
            for (value, key) in (0..).zip(["slow", "a", "slow", "b", "a"]) {
                let mut record = number("keyed", value);
                record.key = Some(key.into());
                backend.produce(record);
            }
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(5).await;
            let all = world.seen.all();
            let of = |key: &str| all.iter().filter(|note| note.starts_with(key)).cloned().collect::<Vec<_>>();
            assert_eq!(
                (of("slow"), of("a")),
                (vec!["slow 0".into(), "slow 2".into()], vec!["a 1".into(), "a 4".into()])
            );
            assert_eq!(all[4], "slow 2", "others overtake: {all:?}");
            world.stop().await;
            assert_eq!(backend.committed("conformance", "keyed", 1), [(0, 5)].into());
        })
    }
}

pub(crate) mod latest_skips_what_is_there_and_an_existing_group_continues {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[subscriber(topic = "start", group = "start-latest", start = Latest)]
    async fn latest(value: i64, State(seen): State<Seen>) {
        seen.note(format!("latest {value}"));
    }

    #[subscriber(topic = "start", group = "start-earliest")]
    async fn earliest(value: i64, State(seen): State<Seen>) {
        seen.note(format!("earliest {value}"));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("start", 1);
            backend.produce(number("start", 1));
            let world = World::start(backend.app(), module_path!()).await;
            until("both are assigned", || world.running.partitions() == 2).await;
            world.sees(1).await;
            backend.produce(number("start", 2));
            world.sees(3).await;
            assert_eq!(world.seen.sorted(), ["earliest 1", "earliest 2", "latest 2"]);
            assert_eq!(world.stop().await.code, 0);
            backend.produce(number("start", 3));
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(2).await;
            assert_eq!(world.seen.sorted(), ["earliest 3", "latest 3"]);
            world.stop().await;
        })
    }
}

pub(crate) mod latest_reads_a_topic_that_is_made_later_from_its_beginning {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(pattern = "^to-come$", group = "to-come", start = Latest)]
    async fn latest(value: i64, State(seen): State<Seen>) {
        seen.note(value.to_string());
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            let world = World::start(backend.app(), module_path!()).await;
            // Until it has joined, which nothing shows as long as it reads no topic; sooner, nothing comes later.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            backend.create_topic("to-come", 1);
            backend.produce(number("to-come", 1));
            world.sees(1).await;
            assert_eq!(world.seen.all(), ["1"]);
            world.stop().await;
        })
    }
}

pub(crate) mod a_pattern_reads_what_matches_and_what_is_made_later_from_its_beginning {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Captures, Metadata, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[derive(serde::Deserialize)]
    struct Kind {
        level: String,
    }

    #[subscriber(pattern = r"^logs\.(?<level>[a-z]+)$")]
    async fn logs(value: i64, Captures(kind): Captures<Kind>, metadata: Metadata, State(seen): State<Seen>) {
        seen.note(format!("{} {value} of {}", kind.level, metadata.topic));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            for topic in ["logs.info", "logs.info.old", "other-logs.info"] {
                backend.create_topic(topic, 1);
                backend.produce(number(topic, 1));
            }
            let world = World::start(backend.app(), module_path!()).await;
            until("it is assigned", || world.running.partitions() == 1).await;
            world.sees(1).await;
            for topic in ["logs.warn", "logs.warn-2"] {
                backend.create_topic(topic, 1);
                backend.produce(number(topic, 2));
            }
            world.sees(2).await;
            backend.produce(number("logs.info", 3));
            backend.produce(number("logs.warn", 4));
            world.sees(4).await;
            let seen = world.seen.sorted();
            assert_eq!(world.stop().await.code, 0);
            let expected =
                ["info 1 of logs.info", "info 3 of logs.info", "warn 2 of logs.warn", "warn 4 of logs.warn"];
            assert_eq!(seen, expected);
            assert_eq!(backend.committed("conformance", "logs.warn", 1), [(0, 2)].into());
        })
    }
}

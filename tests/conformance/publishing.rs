//! What arrives of what is published.

pub(crate) mod key_headers_timestamp_and_partition_arrive_as_written {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Publish, Publisher, State, publisher, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    #[subscriber(topic = "wire-in")]
    #[publisher(topic = "wire-out")]
    async fn writes(value: i64, out: Publisher, State(seen): State<Seen>) -> anyhow::Result<Publish<i64>> {
        out.tombstone("wire-out", "gone").await?;
        seen.note("written");
        let publish = Publish::new(value).key("k").header("a", "1").header("a", None::<&str>);
        Ok(publish.partition(1).timestamp(1_600_000_000_000))
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("wire-in", 1);
            backend.create_topic("wire-out", 3);
            backend.produce(number("wire-in", 7));
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(1).await;
            world.stop().await;
            let mut all = backend.records("wire-out", 3);
            all.sort_by_key(|(_, record)| record.payload.is_some());
            assert_eq!(all.len(), 2);
            assert_eq!((all[0].1.key.as_deref(), &all[0].1.payload), (Some(&b"gone"[..]), &None));
            let (partition, record) = &all[1];
            assert_eq!((*partition, record.timestamp), (1, Some(1_600_000_000_000)));
            assert_eq!(
                (record.key.as_deref(), record.payload.as_deref()),
                (Some(&b"k"[..]), Some(&b"7"[..]))
            );
            assert_eq!(record.headers, [("a".into(), Some("1".into())), ("a".into(), None)]);
        })
    }
}

pub(crate) mod keys_choose_the_partitions_that_javas_client_chooses {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Publish, State, publisher, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    /// Hashes of Kafka's own tests (`UtilsTest`).
    const KEYS: [(&str, i32); 5] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ];

    #[subscriber(topic = "keys-in")]
    #[publisher(topic = "keys-out")]
    async fn writes(_value: i64, State(seen): State<Seen>) -> Vec<Publish<i64>> {
        seen.note("written");
        KEYS.iter().map(|(key, _)| Publish::new(0).key(*key)).collect()
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("keys-in", 1);
            backend.create_topic("keys-out", 7);
            backend.produce(number("keys-in", 7));
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(1).await;
            world.stop().await;
            let records = backend.records("keys-out", 7);
            assert_eq!(records.len(), KEYS.len());
            for (key, hash) in KEYS {
                let found = records.iter().find(|(_, record)| record.key.as_deref() == Some(key.as_bytes()));
                let (partition, _) = found.expect("it arrived");
                assert_eq!(*partition, (hash & 0x7fff_ffff) % 7, "{key}");
            }
        })
    }
}

pub(crate) mod a_header_name_with_a_nul_byte_is_refused_and_nothing_is_written {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Publish, Publisher, State, publisher, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    /// The third attempt returns what can be published.
    #[subscriber(topic = "nul-in", retry(attempts = 3, backoff = "1ms"))]
    #[publisher(topic = "nul-out")]
    async fn writes(
        value: i64,
        metadata: faststream::Metadata,
        out: Publisher,
        State(seen): State<Seen>,
    ) -> Publish<i64> {
        let bad = Publish::new(value).header("fine", "1").header("a\0b", "2");
        if metadata.attempt == 1 {
            let refused = out.send("nul-out", bad.clone()).await.expect_err("refused");
            seen.note(refused.to_string());
        } else {
            seen.note(format!("attempt {}", metadata.attempt));
        }
        if metadata.attempt < 3 { bad } else { Publish::new(value).header("a", "2") }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("nul-in", 1);
            backend.create_topic("nul-out", 1);
            backend.produce(number("nul-in", 7));
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(3).await;
            let seen = world.seen.sorted();
            world.stop().await;
            let refusal = "publishing to topic nul-out: the header name `a\\x00b` contains a NUL byte, and would be read up to \
                           there: choose a name without";
            assert_eq!(seen, ["attempt 2", "attempt 3", refusal]);
            let records = backend.records("nul-out", 1);
            assert_eq!(records.len(), 1);
            assert_eq!(records[0].1.headers, [("a".into(), Some("2".into()))]);
        })
    }
}

pub(crate) mod of_many_at_once_only_the_one_that_is_refused_is_missing_and_named {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Publish, Publisher, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number};

    /// Which one names a partition that does not exist.
    const BAD: i64 = 437;

    #[subscriber(topic = "many-in")]
    async fn writes(_value: i64, out: Publisher, State(seen): State<Seen>) {
        let value = |index: i64| Publish::new(index).partition(if index == BAD { 99 } else { 0 });
        let results = out.send_all("many-out", (0..1_000).map(value)).await;
        let errors: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        let offsets = results.iter().filter_map(|result| Some(result.as_ref().ok()?.offset));
        let (count, in_order) = (errors.len(), offsets.eq(0..999));
        seen.note(format!("{count} refused, the others in order: {in_order}; {}", errors[0]));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("many-in", 1);
            backend.create_topic("many-out", 1);
            backend.produce(number("many-in", 7));
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(1).await;
            let seen = world.seen.all();
            world.stop().await;
            let expected = "1 refused, the others in order: true; publishing to topic many-out: record 437 of this batch: ";
            assert!(seen[0].starts_with(expected), "{seen:?}");
            let written = backend.records("many-out", 1);
            let number = |payload: &[u8]| std::str::from_utf8(payload).ok()?.parse::<i64>().ok();
            let written = written.iter().filter_map(|(_, record)| number(record.payload.as_deref()?));
            assert!(written.eq((0..1_000).filter(|index| *index != BAD)), "each is there once, in order");
        })
    }
}

/// The numbers in a topic of one partition, in its order.
fn numbers(backend: &dyn crate::backend::Backend, topic: &str) -> Vec<i64> {
    let number = |payload: &[u8]| std::str::from_utf8(payload).ok()?.parse().ok();
    let records = backend.records(topic, 1);
    records.iter().filter_map(|(_, record)| number(record.payload.as_deref()?)).collect()
}

/// Twelve records, whose copies in this topic are refused late, three times.
async fn come_in_order(
    backend: &dyn crate::backend::Backend,
    app: faststream::FastStream,
    module: &str,
    (from, to): (&str, &str),
    for_good: bool,
) {
    backend.create_topic(from, 1);
    backend.create_topic(to, 1);
    for value in 0..12 {
        backend.produce(crate::world::number(from, value));
    }
    backend.refuse_late(to, 3, for_good);
    // One copy at a time: nothing is on its way behind one that is refused for good.
    let app = app.group_settings(faststream::GroupSettings::new().max_unconfirmed(1));
    let world = crate::world::World::start(app, module).await;
    crate::world::until("all are there", || numbers(backend, to).len() >= 12).await;
    world.stop().await;
    assert!(numbers(backend, to).into_iter().eq(0..12), "{:?}", numbers(backend, to));
}

pub(crate) mod results_that_are_refused_late_keep_their_order {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{publisher, subscriber};

    use super::come_in_order;
    use crate::backend::Backend;

    #[subscriber(topic = "late-in", retry(attempts = 9, backoff = "10ms..50ms"))]
    #[publisher(topic = "late-out")]
    async fn copies(value: i64) -> i64 {
        value
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(come_in_order(backend, backend.app(), module_path!(), ("late-in", "late-out"), true))
    }
}

pub(crate) mod dead_letters_that_are_refused_late_keep_their_order {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::subscriber;

    use super::come_in_order;
    use crate::backend::Backend;

    #[subscriber(topic = "late-dead", retry(attempts = 1), on_error = DeadLetter)]
    async fn fails(value: i64) -> Result<(), String> {
        Err(format!("{value} is bad"))
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(come_in_order(backend, backend.app(), module_path!(), ("late-dead", "late-dead-dlt"), false))
    }
}

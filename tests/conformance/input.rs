//! Input that cannot be read: its policy's affair, told with its place, and nobody else's trouble.

pub(crate) mod what_cannot_be_read_becomes_a_dead_letter_as_it_was {
    use std::future::Future;
    use std::pin::Pin;

    use bytes::Bytes;
    use faststream::{Outgoing, State, Text, subscriber};
    use serde::Deserialize;

    use crate::backend::Backend;
    use crate::world::{Seen, World, until};

    #[derive(Deserialize)]
    struct Order {
        id: i64,
        item: String,
    }

    #[subscriber(topic = "unreadable", on_decode_error = DeadLetter)]
    async fn order(order: Order, State(seen): State<Seen>) {
        seen.note(format!("{} {}", order.id, order.item));
    }

    #[subscriber(topic = "unreadable-text", on_decode_error = DeadLetter)]
    async fn text(text: Text, State(seen): State<Seen>) {
        seen.note(text.0);
    }

    const BAD: [(Option<&[u8]>, &str); 6] = [
        (Some(br#"{"id":1,"#), "EOF while parsing"),
        (Some(br#"{"id":"x","item":"pen"}"#), "expected i64"),
        (Some(br#"{"id":1}"#), "missing field `item`"),
        (Some(b"{\"id\":1,\"item\":\"\xff\"}"), "unicode"),
        (Some(b""), "empty"),
        (None, "tombstone"),
    ];

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            for topic in ["unreadable", "unreadable-text"] {
                backend.create_topic(topic, 1);
                backend.create_topic(&format!("{topic}-dlt"), 1);
            }
            backend.produce(Outgoing::new("unreadable", r#"{"id":1,"item":"pen"}"#));
            for (payload, _) in BAD {
                let payload = payload.map(Bytes::from_static);
                backend.produce(Outgoing { payload, ..Outgoing::new("unreadable", "") });
            }
            backend.produce(Outgoing::new("unreadable", r#"{"id":2,"item":"ink"}"#));
            backend.produce(Outgoing::new("unreadable-text", &b"no text: \xff"[..]));
            backend.produce(Outgoing::new("unreadable-text", "text"));
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(3).await;
            assert_eq!(world.seen.sorted(), ["1 pen", "2 ink", "text"]);
            until("all bad ones are dead letters", || {
                backend.records("unreadable-dlt", 1).len() == BAD.len()
                    && backend.records("unreadable-text-dlt", 1).len() == 1
            })
            .await;
            assert_eq!(world.stop().await.code, 0);

            let letters = backend.records("unreadable-dlt", 1);
            for (offset, ((_, letter), (payload, why))) in (1..).zip(letters.iter().zip(BAD)) {
                assert_eq!(letter.payload.as_deref(), payload, "as it was");
                let header = |name: &[u8]| {
                    let found = letter.headers.iter().find(|(key, _)| key == name);
                    let value = found.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
                    String::from_utf8_lossy(value).into_owned()
                };
                assert_eq!(header(b"dlt-original-topic"), "unreadable");
                assert_eq!(header(b"dlt-original-offset"), offset.to_string());
                assert!(header(b"dlt-error-message").contains(why), "{}", header(b"dlt-error-message"));
            }
            assert_eq!(backend.committed("conformance", "unreadable", 1), [(0, 8)].into());
            assert_eq!(backend.committed("conformance", "unreadable-text", 1), [(0, 2)].into());
        })
    }
}

pub(crate) mod a_held_unreadable_record_is_named_and_survives_a_restart {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Outgoing, Partition, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    #[subscriber(topic = "unreadable-held")]
    async fn reads(value: i64, State(seen): State<Seen>) {
        seen.note(value.to_string());
    }

    fn at(partition: i32, record: Outgoing) -> Outgoing {
        Outgoing { partition: Partition::Exactly(partition), ..record }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("unreadable-held", 2);
            backend.produce(at(0, number("unreadable-held", 1)));
            backend.produce(at(0, Outgoing::new("unreadable-held", "{")));
            backend.produce(at(0, number("unreadable-held", 2)));
            backend.produce(at(1, number("unreadable-held", 3)));
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(2).await;
            until("it is held", || world.running.held().len() == 1).await;
            let held = world.running.held().remove(0);
            assert_eq!((&*held.topic, held.partition, held.offset), ("unreadable-held", 0, 1));
            assert!(held.error.contains("not of `i64`"), "{}", held.error);
            let health = world.running.health();
            assert!(health.ready && health.degraded, "{health:?}");
            assert!(health.reasons[0].contains("unreadable-held/0 at offset 1"), "{health:?}");
            // The other partition goes on meanwhile.
            backend.produce(at(1, number("unreadable-held", 4)));
            world.sees(3).await;
            assert_eq!(world.seen.sorted(), ["1", "3", "4"]);
            assert_eq!(world.stop().await.code, 0);
            assert_eq!(backend.committed("conformance", "unreadable-held", 2), [(0, 1), (1, 2)].into());

            let world = World::start(backend.app(), module_path!()).await;
            until("it is held again", || world.running.held().len() == 1).await;
            assert_eq!(world.running.held()[0].offset, 1);
            world.stop().await;
            let skips = [("unreadable-held".to_owned(), 0, 1)];
            let world = World::start_skipping(backend.app(), module_path!(), skips).await;
            world.sees(1).await;
            assert_eq!(world.seen.all(), ["2"], "let go of, and what was behind it is handled");
            world.stop().await;
            assert_eq!(backend.committed("conformance", "unreadable-held", 2), [(0, 3), (1, 2)].into());
        })
    }
}

pub(crate) mod a_payload_of_a_megabyte_goes_in_and_out {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Outgoing, Raw, State, publisher, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, until};

    /// What librdkafka sends by default, its own overhead left room for.
    const SIZE: usize = 999_900;

    #[subscriber(topic = "large")]
    #[publisher(topic = "large-out")]
    async fn echo(payload: Raw, State(seen): State<Seen>) -> Raw {
        seen.note(payload.0.len().to_string());
        payload
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("large", 1);
            backend.create_topic("large-out", 1);
            for byte in 0..3 {
                backend.produce(Outgoing::new("large", vec![byte; SIZE]));
            }
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(3).await;
            assert_eq!(world.seen.all(), vec![SIZE.to_string(); 3]);
            until("all are published", || backend.records("large-out", 1).len() == 3).await;
            world.stop().await;
            let out = backend.records("large-out", 1).into_iter().map(|(_, record)| record.payload);
            assert!(out.eq((0..3).map(|byte| Some(vec![byte; SIZE].into()))), "as they were");
            assert_eq!(backend.committed("conformance", "large", 1), [(0, 3)].into());
        })
    }
}

pub(crate) mod a_header_that_is_no_text_is_refused_by_name_and_the_last_of_many_counts {
    use std::future::Future;
    use std::pin::Pin;

    use faststream::{Header, State, TypedHeader, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    struct Trace;

    impl TypedHeader for Trace {
        const NAME: &'static str = "trace";
        type Value = String;
    }

    #[subscriber(topic = "traced", on_decode_error = DeadLetter)]
    async fn traced(value: i64, Header(trace): Header<Trace>, State(seen): State<Seen>) {
        seen.note(format!("{value} {trace}"));
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("traced", 1);
            backend.create_topic("traced-dlt", 1);
            let traces: [&[&'static [u8]]; 3] = [&[b"\xff\xfe"], &[b"first", b"last"], &[]];
            for (value, traces) in (0..).zip(traces) {
                let mut record = number("traced", value);
                record.headers = traces.iter().map(|trace| ("trace".into(), Some((*trace).into()))).collect();
                backend.produce(record);
            }
            let world = World::start(backend.app(), module_path!()).await;
            world.sees(1).await;
            until("the others are dead letters", || backend.records("traced-dlt", 1).len() == 2).await;
            assert_eq!(world.seen.all(), ["1 last"]);
            world.stop().await;
            for (_, letter) in backend.records("traced-dlt", 1) {
                let why = letter.headers.iter().find(|(name, _)| name == "dlt-error-message");
                let why =
                    String::from_utf8_lossy(why.and_then(|(_, value)| value.as_deref()).unwrap_or_default());
                assert!(why.contains("header `trace`"), "{why}");
                let kept = letter.headers.iter().find(|(name, _)| name == "trace");
                if let Some((_, value)) = kept {
                    assert_eq!(value.as_deref(), Some(&b"\xff\xfe"[..]), "as it was");
                }
            }
        })
    }
}

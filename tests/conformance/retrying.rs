//! What fails goes on in retry topics, which are there without anybody having made them.

pub(crate) mod retry_topics_keep_place_and_delay_and_end_in_the_dead_letters {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::SystemTime;

    use faststream::{Metadata, State, subscriber};

    use crate::backend::Backend;
    use crate::world::{Seen, World, number, until};

    const FIRST: &str = "stages-conformance-retry-1s";
    const SECOND: &str = "stages-conformance-retry-2s";

    #[subscriber(topic = "stages", retry(topics = ["1s", "2s"]), on_error = DeadLetter)]
    async fn fails(value: i64, metadata: Metadata, State(seen): State<Seen>) -> Result<(), String> {
        let Metadata { topic, partition, offset, attempt, .. } = metadata;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
        seen.note(format!("{value} at {topic}/{partition}:{offset}, attempt {attempt}|{now}"));
        if value == 1 { Err("one is bad".into()) } else { Ok(()) }
    }

    pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            backend.create_topic("stages", 1);
            backend.create_for_app(&[FIRST, SECOND, "stages-dlt"]);
            let world = World::start(backend.app(), module_path!()).await;
            for value in [0, 1, 2] {
                backend.produce(number("stages", value));
            }
            world.sees(5).await;
            until("it is given up", || backend.records("stages-dlt", 1).len() == 1).await;
            let seen = world.seen.all();
            let notes: Vec<(&str, u64)> = seen
                .iter()
                .map(|note| note.split_once('|').expect("a note and its time"))
                .map(|(note, at)| (note, at.parse().expect("milliseconds")))
                .collect();
            let expected = [
                "0 at stages/0:0, attempt 1",
                "1 at stages/0:1, attempt 1",
                "2 at stages/0:2, attempt 1",
                "1 at stages/0:1, attempt 2",
                "1 at stages/0:1, attempt 3",
            ];
            assert_eq!(notes.iter().map(|(note, _)| *note).collect::<Vec<_>>(), expected);
            let (first, second, third) = (notes[1].1, notes[3].1, notes[4].1);
            assert!(second >= first + 1_000 && third >= second + 2_000, "{notes:?}");
            world.stop().await;
            for (topic, records) in [("stages", 3), (FIRST, 1), (SECOND, 1)] {
                assert_eq!(backend.committed("conformance", topic, 1), [(0, records)].into(), "{topic}");
            }
        })
    }
}

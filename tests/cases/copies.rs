//! What becomes of copies (results, retry copies, dead letters) that are not published at once.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::testing::TestApp;
use faststream::{FastStream, GroupSettings, Outgoing, Partition, publisher, subscriber};
use tokio::time::sleep;

/// The app of one module.
async fn start(module: &str) -> TestApp {
    start_with(module, GroupSettings::new()).await
}

async fn start_with(module: &str, settings: GroupSettings) -> TestApp {
    let app = FastStream::new(MemoryBroker::new()).name("t").module(module).group_settings(settings);
    let app = TestApp::start(app).await.lenient();
    app.broker().create_topic("out", 1);
    app
}

/// Numbers in one partition, in order.
fn append(app: &TestApp, numbers: std::ops::Range<u64>, key: Option<&'static str>) {
    for number in numbers {
        app.append_record(Outgoing {
            partition: Partition::Exactly(0),
            key: key.map(Into::into),
            ..Outgoing::new("in", number.to_string())
        });
    }
}

/// Offset and attempt of each call, in order.
fn calls(app: &TestApp, handler: &str) -> Vec<(i64, u32)> {
    app.calls(handler).iter().map(|call| (call.offset, call.attempt)).collect()
}

/// Each of `0..n` once, then each once more.
fn twice(n: i64) -> Vec<(i64, u32)> {
    (1..=2).flat_map(|attempt| (0..n).map(move |offset| (offset, attempt))).collect()
}

const LATE: Duration = Duration::from_millis(10);

mod by_partition {
    use super::*;

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn copy(number: u64) -> u64 {
        number
    }

    #[faststream::test]
    async fn late_refusals_for_good_keep_the_order_of_results_and_of_second_calls() {
        let app = start(module_path!()).await;
        app.broker().delay_publishes(LATE);
        app.broker().refuse_publishes_to("out", 6);
        append(&app, 0..6, None);
        app.settle().await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(calls(&app, "copy"), twice(6));
    }

    #[faststream::test]
    async fn late_refusals_for_now_keep_the_order_and_call_nobody_again() {
        for refusals in [1, 6, 7, 9, 20] {
            let app = start(module_path!()).await;
            app.broker().delay_publishes(LATE);
            app.broker().fail_publishes_to("out", refusals);
            append(&app, 0..6, None);
            app.settle().await;
            let published = app.published::<u64>("out").all();
            if refusals == 1 {
                // What was on its way may arrive before.
                assert_eq!(published, [1, 2, 3, 4, 5, 0], "{refusals}");
            } else {
                assert_eq!(published, [0, 1, 2, 3, 4, 5], "{refusals}");
            }
            assert_eq!(app.calls("copy").len(), 6, "{refusals}");
        }
    }

    #[faststream::test]
    async fn one_copy_at_a_time_nothing_overtakes_the_one_that_is_refused() {
        for (for_now, for_good) in [(1, 0), (0, 1), (3, 2)] {
            let app = start_with(module_path!(), GroupSettings::new().max_unconfirmed(1)).await;
            app.broker().delay_publishes(LATE);
            app.broker().fail_publishes_to("out", for_now);
            app.broker().refuse_publishes_to("out", for_good);
            append(&app, 0..6, None);
            app.settle().await;
            assert_eq!(app.published::<u64>("out").all(), [0, 1, 2, 3, 4, 5]);
            let mut in_order = calls(&app, "copy");
            in_order.sort_unstable();
            assert_eq!(calls(&app, "copy"), in_order);
        }
    }

    #[faststream::test]
    async fn nothing_new_begins_behind_a_refused_copy() {
        let app = start(module_path!()).await;
        app.broker().delay_publishes(LATE);
        app.broker().deny_publishes_to("out", 1_000);
        append(&app, 0..3, None);
        sleep(Duration::from_secs(1)).await;
        append(&app, 3..6, None);
        sleep(Duration::from_secs(20)).await;
        assert_eq!(app.calls("copy").len(), 3, "the others wait");
        app.broker().deny_publishes_to("out", 0);
        sleep(Duration::from_secs(4)).await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(app.calls("copy").len(), 6);
    }
}

mod by_key {
    use super::*;

    #[subscriber(topic = "in", order = Key)]
    #[publisher(topic = "out")]
    async fn copy(number: u64) -> u64 {
        number
    }

    #[faststream::test]
    async fn late_refusals_for_good_keep_the_order_of_a_key() {
        let app = start(module_path!()).await;
        app.broker().delay_publishes(LATE);
        app.broker().refuse_publishes_to("out", 6);
        append(&app, 0..6, Some("k"));
        app.settle().await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(calls(&app, "copy"), twice(6));
    }

    #[faststream::test]
    async fn late_refusals_for_now_keep_the_order_of_a_key() {
        for refusals in [6, 7, 20] {
            let app = start(module_path!()).await;
            app.broker().delay_publishes(LATE);
            app.broker().fail_publishes_to("out", refusals);
            append(&app, 0..6, Some("k"));
            app.settle().await;
            assert_eq!(app.published::<u64>("out").all(), [0, 1, 2, 3, 4, 5], "{refusals}");
            assert_eq!(app.calls("copy").len(), 6, "{refusals}");
        }
    }

    #[faststream::test]
    async fn one_copy_at_a_time_nothing_of_the_key_overtakes_the_one_that_is_refused() {
        let app = start_with(module_path!(), GroupSettings::new().max_unconfirmed(1)).await;
        app.broker().delay_publishes(LATE);
        app.broker().fail_publishes_to("out", 2);
        app.broker().refuse_publishes_to("out", 1);
        append(&app, 0..6, Some("k"));
        app.settle().await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2, 3, 4, 5]);
    }
}

mod by_hand {
    use faststream::Ack;

    use super::*;

    #[subscriber(topic = "in", ack = Manual)]
    #[publisher(topic = "out")]
    async fn copy(number: u64, ack: Ack) -> u64 {
        let _ = ack.ack();
        number
    }

    #[faststream::test]
    async fn results_of_records_that_are_settled_by_hand_keep_their_order() {
        let app = start(module_path!()).await;
        app.broker().delay_publishes(LATE);
        app.broker().fail_publishes_to("out", 8);
        append(&app, 0..6, None);
        app.settle().await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2, 3, 4, 5]);
    }
}

mod dead_letters {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1), on_error = DeadLetter)]
    async fn fail(number: u64) -> Result<(), String> {
        Err(format!("{number} is bad"))
    }

    #[faststream::test]
    async fn late_refusals_keep_the_order_of_dead_letters() {
        let app = start(module_path!()).await;
        app.broker().delay_publishes(LATE);
        app.broker().fail_publishes_to("in-dlt", 8);
        append(&app, 0..6, None);
        app.settle().await;
        let offsets: Vec<_> = app.dead_letters("in").iter().map(|letter| letter.offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3, 4, 5]);
        assert_eq!(app.calls("fail").len(), 6);
    }
}

mod retry_copies {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1, topics = ["1s"]), on_error = DeadLetter)]
    async fn fail(number: u64) -> Result<(), String> {
        Err(format!("{number} is bad"))
    }

    #[faststream::test]
    async fn late_refusals_keep_the_order_of_copies_for_a_retry_topic() {
        let app = start(module_path!()).await;
        app.broker().delay_publishes(LATE);
        app.broker().fail_publishes_to("in-t-retry-1s", 8);
        append(&app, 0..6, None);
        app.settle().await;
        let copies = app.broker().records("in-t-retry-1s");
        let numbers: Vec<_> =
            copies.iter().map(|(_, copy)| copy.payload.clone().unwrap_or_default()).collect();
        assert_eq!(numbers, ["0", "1", "2", "3", "4", "5"]);
    }
}

mod denied {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1), on_error = DeadLetter)]
    #[publisher(topic = "out")]
    async fn copy(number: u64) -> u64 {
        number
    }

    #[faststream::test]
    async fn a_result_that_the_cluster_denies_is_published_again_and_its_handler_is_not_called_again() {
        let app = start(module_path!()).await;
        app.broker().deny_publishes_to("out", 20);
        append(&app, 0..3, None);
        app.settle().await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2]);
        assert_eq!(app.calls("copy").len(), 3);
        assert!(app.dead_letters("in").is_empty());
    }

    #[faststream::test]
    async fn a_denied_result_degrades_health_at_once_and_is_published_soon_after_it_may_be() {
        let app = start(module_path!()).await;
        app.broker().deny_publishes_to("out", u32::MAX);
        append(&app, 0..3, None);
        sleep(Duration::from_millis(10)).await;
        let health = app.health();
        assert!(health.degraded && health.ready, "{health:?}");
        assert!(health.reasons.iter().any(|reason| reason.contains("is not published to out")), "{health:?}");
        sleep(Duration::from_secs(61)).await;
        assert!(!app.health().ready, "{:?}", app.health());
        app.broker().deny_publishes_to("out", 0);
        sleep(Duration::from_secs(4)).await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2]);
        sleep(Duration::from_secs(1)).await;
        assert!(!app.health().degraded && app.health().ready, "{:?}", app.health());
    }
}

mod late {
    use super::*;

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn copy(number: u64) -> u64 {
        number
    }

    #[faststream::test]
    async fn a_result_without_an_answer_degrades_health_after_10_s_and_is_not_ready_after_60_s() {
        let app = start(module_path!()).await;
        app.broker().delay_publishes(Duration::from_secs(90));
        append(&app, 0..3, None);
        sleep(Duration::from_secs(9)).await;
        assert!(!app.health().degraded, "{:?}", app.health());
        sleep(Duration::from_secs(3)).await;
        let health = app.health();
        assert!(health.degraded && health.ready, "{health:?}");
        assert!(
            health.reasons.iter().any(|reason| reason.contains("the broker has not answered")),
            "{health:?}"
        );
        sleep(Duration::from_secs(50)).await;
        assert!(!app.health().ready, "{:?}", app.health());
        sleep(Duration::from_secs(40)).await;
        assert!(!app.health().degraded && app.health().ready, "{:?}", app.health());
    }
}

mod many {
    use super::*;

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn many(number: u64) -> Vec<u64> {
        (0..number).collect()
    }

    #[faststream::test]
    async fn the_time_for_many_results_of_one_call_grows_with_their_number() {
        let mut took = Vec::new();
        for number in [16_000, 64_000] {
            let app = start(module_path!()).await;
            app.broker().delay_publishes(LATE);
            let began = std::time::Instant::now();
            append(&app, number..number + 1, None);
            app.settle().await;
            assert_eq!(app.published::<u64>("out").len() as u64, number);
            took.push(began.elapsed());
        }
        assert!(
            took[1] < took[0] * 12,
            "four times as many take 16 times as long if looked at again each time: {took:?}"
        );
    }
}

mod held_behind {
    use super::*;

    #[subscriber(topic = "in", order = Key, retry(attempts = 2))]
    #[publisher(topic = "out")]
    async fn copy(number: u64) -> Result<u64, String> {
        if number == 1 { Err("bad".into()) } else { Ok(number) }
    }

    #[faststream::test]
    async fn an_earlier_record_of_a_key_is_called_again_before_a_later_held_one() {
        let app = start(module_path!()).await;
        // Refused when the next one of the key is held already.
        app.broker().delay_publishes(Duration::from_secs(5));
        app.broker().refuse_publishes_to("out", 1);
        append(&app, 0..2, Some("k"));
        sleep(Duration::from_secs(20)).await;
        assert_eq!(calls(&app, "copy"), [(0, 1), (1, 1), (1, 2), (0, 2)]);
        assert_eq!(app.published::<u64>("out").all(), [0]);
        let held: Vec<_> = app.held().iter().map(|held| held.offset).collect();
        assert_eq!(held, [1]);
    }
}

mod replayed {
    use super::*;

    #[subscriber(topic = "in", group = "first", retry(attempts = 1), on_error = DeadLetter)]
    async fn first(_number: u64) -> Result<(), String> {
        Err("bad".into())
    }

    #[subscriber(topic = "in-dlt", group = "second", retry(attempts = 1), dead_letter = "graves")]
    async fn second(_number: u64) -> Result<(), String> {
        Err("still bad".into())
    }

    /// The values of each header whose name begins so, by name.
    fn headers(app: &TestApp, topic: &str, prefix: &str) -> Vec<(String, String)> {
        let last = app.broker().records(topic).pop().expect("a record").1;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all =
            last.headers.iter().map(|(name, value)| (text(name), text(value.as_deref().unwrap_or_default())));
        all.filter(|(name, _)| name.starts_with(prefix)).collect()
    }

    #[faststream::test]
    async fn a_dead_letter_that_is_replayed_says_once_why_it_failed_the_last_time() {
        let app = start(module_path!()).await;
        let mut record = Outgoing::new("in", "1");
        // From elsewhere, with what retry topics add, and a header of its own.
        for (name, value) in [("retry-attempts", "7"), ("retry-original-topic", "else"), ("dlt-own", "kept")]
        {
            record.headers.push((name.into(), Some(value.into())));
        }
        app.append_record(record);
        app.settle().await;
        for _ in 0..5 {
            let letter = app.broker().records("in-dlt").pop().expect("a dead letter").1;
            app.append_record(Outgoing { headers: letter.headers, ..Outgoing::new("in", "1") });
            app.settle().await;
        }
        for (topic, handler, offset) in [("in-dlt", "first", "5"), ("graves", "second", "5")] {
            let said = headers(&app, topic, "dlt-");
            let names: std::collections::BTreeSet<_> = said.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!((said.len(), names.len()), (11, 11), "ten of its own, one of the record: {said:?}");
            let is = |name: &str, value: &str| said.contains(&(name.to_owned(), value.to_owned()));
            assert!(
                is("dlt-handler", handler) && is("dlt-original-offset", offset) && is("dlt-own", "kept"),
                "{said:?}"
            );
            assert!(headers(&app, topic, "retry-").is_empty(), "{topic}");
        }
    }
}

mod beyond {
    use super::*;

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn copy(number: u64) -> u64 {
        sleep(Duration::from_millis(100)).await;
        number
    }

    #[faststream::test]
    async fn results_that_are_not_confirmed_brake_as_commits_that_fail_do() {
        let app = start_with(module_path!(), GroupSettings::new().max_uncommitted(50)).await;
        app.broker().delay_publishes(Duration::from_secs(120));
        append(&app, 0..500, None);
        sleep(Duration::from_secs(110)).await;
        let begun = app.calls("copy").len();
        assert!((50..=51).contains(&begun), "{begun} calls beyond the last commit");
        sleep(Duration::from_secs(70)).await;
        assert_eq!(app.published::<u64>("out").len(), 500, "nothing is slowed afterwards");
    }

    #[subscriber(topic = "in", group = "held", order = Key)]
    async fn hold_one(number: u64) -> Result<(), String> {
        if number == 0 { Err("bad".into()) } else { Ok(()) }
    }

    #[faststream::test]
    async fn a_held_key_stands_still_beyond_the_limit_and_nobody_waits_for_it() {
        let app = start_with(module_path!(), GroupSettings::new().max_uncommitted(50)).await;
        append(&app, 0..1, Some("held"));
        sleep(Duration::from_secs(60)).await;
        append(&app, 1..500, None);
        app.settle().await;
        assert_eq!(app.held().len(), 1);
        assert!(app.calls("hold_one").iter().filter(|call| call.offset > 0).count() < 60);
    }
}

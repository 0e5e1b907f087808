//! Retry topics at one lane: what goes into them, when it comes out, and how it goes on.

use std::time::Duration;

use bytes::Bytes;

use super::world::{Act, Seen, Settings, World, record};
use crate::broker::PublishErrorKind;
use crate::policy::{AckPolicy, OnError, Order, Retry};
use crate::record::OwnedRecord;
use crate::record::{Outgoing, Partition};
use crate::subscriber::RetryTopic;

const FIRST: &str = "orders-group-retry-10s";
const SECOND: &str = "orders-group-retry-3h";
const SECOND_LONG: Duration = Duration::from_secs(3 * 3600);

fn with_topics(settings: &mut Settings) {
    let delays = [("10s", Duration::from_secs(10)), ("3h", SECOND_LONG)];
    settings.spec.retry_topics = RetryTopic::all(&["orders".into()], "group", &delays).into();
    settings.handler.retry = Retry::attempts(1);
    settings.handler.on_error = OnError::DeadLetter;
}

fn header(record: &Outgoing, name: &str) -> Option<String> {
    let mut found = record.headers.iter().filter(|(key, _)| key == name.as_bytes());
    let value = found.next().and_then(|(_, value)| value.clone());
    assert!(found.next().is_none(), "{name} is there twice");
    value.map(|value| String::from_utf8(value.to_vec()).expect("text"))
}

/// A record with these headers.
fn retried(offset: i64, headers: &[(&str, &str)]) -> OwnedRecord {
    let header = |(name, value): &(&str, &str)| {
        (Bytes::copy_from_slice(name.as_bytes()), Some(Bytes::copy_from_slice(value.as_bytes())))
    };
    OwnedRecord { headers: headers.iter().map(header).collect(), timestamp: Some(5), ..record(offset, "a") }
}

/// As a copy of the first stage is, at another place.
const PAST: [(&str, &str); 9] = [
    ("tenant", "acme"),
    ("retry-due", "10000"),
    ("retry-attempts", "4"),
    ("retry-original-partition", "7"),
    ("retry-original-offset", "42"),
    ("retry-original-timestamp", "99"),
    ("retry-first-failed-at", "77"),
    ("retry-error-type", "NoPrice"),
    ("retry-error-message", "there is no price"),
];

#[tokio::test(start_paused = true)]
async fn a_failed_record_goes_on_in_the_first_retry_topic_with_its_past_in_its_headers() {
    let world = World::start(with_topics, [Act::Fail]);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let fed = OwnedRecord {
        timestamp: Some(99),
        ..retried(6, &[("tenant", "acme"), ("retry-due", "of another group")])
    };
    world.feed([fed, record(7, "b")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(6, 1), (7, 1)], Some(8)));
    let copies = world.published();
    let copy = &copies[0];
    assert_eq!((copies.len(), &*copy.topic, copy.partition), (1, FIRST, Partition::IfExists(3)));
    assert_eq!((copy.key.as_deref(), copy.payload.as_deref()), (Some(&b"a"[..]), Some(&b"a"[..])));
    assert_eq!(copy.timestamp, None, "its time is the broker's");
    for (name, value) in [
        ("tenant", "acme"),
        ("retry-due", "11500"),
        ("retry-attempts", "1"),
        ("retry-original-topic", "orders"),
        ("retry-original-partition", "3"),
        ("retry-original-offset", "6"),
        ("retry-original-timestamp", "99"),
        ("retry-first-failed-at", "1500"),
        ("retry-error-type", "test"),
        ("retry-error-message", "it failed"),
    ] {
        assert_eq!(header(copy, name).as_deref(), Some(value), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_in_place_come_first_and_the_first_of_their_failures_is_told() {
    let change = |settings: &mut Settings| {
        with_topics(settings);
        settings.handler.retry = Retry::attempts(3).parse_backoff("1s").expect("a backoff");
    };
    let world = World::start(change, [Act::Nack, Act::Fail, Act::Panic]);
    world.feed([record(0, "a")]);
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (0, 2), (0, 3)]);
    let copy = world.published().remove(0);
    assert_eq!(header(&copy, "retry-attempts").as_deref(), Some("3"));
    assert_eq!(header(&copy, "retry-error-type").as_deref(), Some("nack"));
    assert_eq!(header(&copy, "retry-first-failed-at").as_deref(), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_record_is_handed_out_when_it_is_due_and_is_nowhere_before() {
    let world = World::start_on(FIRST, with_topics, []);
    let second = OwnedRecord { timestamp: Some(2_000), ..retried(1, &[("retry-due", "12000")]) };
    world.feed([retried(0, &PAST), second]);
    tokio::time::sleep(Duration::from_millis(9_990)).await;
    assert_eq!((world.calls(), world.stored(), world.held()), (vec![], None, vec![]));
    assert_eq!(world.detached(), 1, "no fetch buffer is pinned, and the batch is copied once");
    assert!(!world.is_unread(), "a test waits for it");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((world.calls().len(), world.stored()), (1, Some(1)));
    world.idle().await;
    assert_eq!((world.calls().len(), world.stored(), world.detached()), (2, Some(2), 1));
    assert!(world.pauses()[0] >= Duration::from_millis(1_990), "{:?}", world.pauses());
}

#[tokio::test(start_paused = true)]
async fn its_handler_sees_where_the_record_was_first_and_all_attempts() {
    let world = World::start_on(FIRST, with_topics, []);
    world.feed([retried(0, &PAST)]);
    world.idle().await;
    let first = Seen {
        topic: "orders".into(),
        partition: 7,
        offset: 42,
        timestamp: Some(99),
        attempt: 5,
        at_work: Some(0),
    };
    assert_eq!(world.seen(), [first], "what is said of slow calls names the record where it is now");
    assert_eq!(world.stored(), Some(1), "stored is where it is now");
}

#[tokio::test(start_paused = true)]
async fn the_next_stage_replaces_the_headers_and_keeps_the_place_and_the_first_failure() {
    let world = World::start_on(FIRST, with_topics, [Act::Fail]);
    world.feed([retried(0, &PAST)]);
    world.idle().await;
    let copies = world.published();
    let copy = &copies[0];
    assert_eq!((copies.len(), &*copy.topic, copy.partition), (1, SECOND, Partition::IfExists(7)));
    assert_eq!(copy.headers.len(), 10, "{:?}", copy.headers);
    for (name, value) in [
        ("tenant", "acme"),
        ("retry-due", "10810000"),
        ("retry-attempts", "5"),
        ("retry-original-topic", "orders"),
        ("retry-original-partition", "7"),
        ("retry-original-offset", "42"),
        ("retry-original-timestamp", "99"),
        ("retry-first-failed-at", "77"),
        ("retry-error-type", "NoPrice"),
        ("retry-error-message", "there is no price"),
    ] {
        assert_eq!(header(copy, name).as_deref(), Some(value), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_last_stage_the_dead_letter_has_the_original_place_and_no_retry_headers() {
    let world = World::start_on(SECOND, with_topics, [Act::Fail]);
    world.feed([retried(0, &PAST)]);
    world.idle().await;
    let letters = world.published();
    let letter = &letters[0];
    assert_eq!((letters.len(), &*letter.topic, letter.partition), (1, "orders-dlt", Partition::IfExists(7)));
    for (name, value) in [
        ("tenant", "acme"),
        ("dlt-original-topic", "orders"),
        ("dlt-original-partition", "7"),
        ("dlt-original-offset", "42"),
        ("dlt-original-timestamp", "99"),
        ("dlt-attempts", "5"),
        ("dlt-error-type", "test"),
        ("dlt-failed-at", "10000"),
    ] {
        assert_eq!(header(letter, name).as_deref(), Some(value), "{name}");
    }
    assert!(letter.headers.iter().all(|(name, _)| !name.starts_with(b"retry-")), "{:?}", letter.headers);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_none_or_only_half_of_one_is_not_believed() {
    for forged in [
        &[("retry-original-partition", "-7"), ("retry-original-offset", "42")][..],
        &[("retry-original-partition", "7"), ("retry-original-offset", "-1")],
        &[("retry-original-partition", "7"), ("retry-original-timestamp", "99")],
        &[("retry-original-offset", "42"), ("retry-original-timestamp", "99")],
        &[("retry-original-partition", "7"), ("retry-original-offset", "99999999999999999999")],
    ] {
        let world = World::start_on(SECOND, with_topics, [Act::Fail]);
        world.feed([retried(0, forged)]);
        world.idle().await;
        let letters = world.published();
        let is = |name: &str, value: &str| assert_eq!(header(&letters[0], name).as_deref(), Some(value));
        is("dlt-original-partition", "3");
        is("dlt-original-offset", "0");
        is("dlt-original-timestamp", "5");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_the_source_has_no_header_that_looks_like_those_of_retry_topics() {
    let change = |settings: &mut Settings| settings.handler.on_error = OnError::DeadLetter;
    let world = World::start(change, [Act::Reject]);
    world.feed([retried(0, &[("retry-attempts", "a header of its producer")])]);
    world.idle().await;
    let letter = world.published().remove(0);
    assert_eq!(header(&letter, "retry-attempts"), None, "it would be taken for a retry copy's");
    assert_eq!(header(&letter, "dlt-attempts").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn without_a_due_time_that_can_be_read_a_record_is_due_at_once() {
    for headers in [&[][..], &[("retry-due", "soon")], &[("retry-due", "-5")], &[("retry-due", "")]] {
        let world = World::start_on(FIRST, with_topics, []);
        world.feed([retried(0, headers)]);
        world.turn().await;
        assert_eq!(world.calls(), [(0, 1)], "{headers:?}");
        let tp = world.seen().remove(0);
        assert_eq!((&*tp.topic, tp.partition, tp.timestamp), ("orders", 3, Some(5)));
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_no_retry_topic_wrote_break_nothing() {
    for told in ["4294967295", "-1", "many"] {
        let world = World::start_on(SECOND, with_topics, [Act::Fail]);
        world.feed([retried(0, &[("retry-attempts", told)]), record(1, "b")]);
        world.idle().await;
        assert_eq!((world.calls().len(), world.published().len(), world.stored()), (2, 1, Some(2)), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_clock_that_goes_wrong_makes_a_record_wait_longer_than_its_topic_does() {
    let far = i64::MAX.to_string();
    let world = World::start_on(FIRST, with_topics, []);
    world.feed([retried(0, &[("retry-due", &far)])]);
    tokio::time::sleep(Duration::from_millis(10_010)).await;
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_an_hour_counts_as_settled_and_ends_all_the_same() {
    let world = World::start_on(SECOND, with_topics, []);
    world.feed([retried(0, &[("retry-due", "10800000")])]);
    world.idle().await;
    assert!(world.calls().is_empty() && world.is_unread() && world.held().is_empty());
    world.feed([record(1, "b")]);
    world.idle().await;
    tokio::time::sleep(SECOND_LONG + Duration::from_millis(10)).await;
    world.idle().await;
    assert_eq!((world.calls().len(), world.stored(), world.is_unread()), (2, Some(2), false));
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_confirmed_before_its_original_is_finished_and_published_until_it_is() {
    let world = World::start(with_topics, [Act::Fail]);
    world.refuse(PublishErrorKind::Retriable, 5);
    world.feed([record(0, "a"), record(1, "b")]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((world.stored(), world.published().len()), (None, 0));
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1)], "the handler does not run again for a refused copy");
    assert_eq!((world.stored(), world.published().len()), (Some(2), 1));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_can_never_be_published_holds_its_original_which_is_tried_again() {
    let world = World::start(with_topics, [Act::Fail, Act::Fail]);
    world.refuse(PublishErrorKind::Permanent, 1);
    world.feed([record(0, "a"), record(1, "b")]);
    world.idle().await;
    assert_eq!((world.held(), world.stored(), world.published().len()), (vec![0], None, 0));
    tokio::time::sleep(Duration::from_secs(31)).await;
    world.idle().await;
    assert_eq!((world.held(), world.stored(), world.published().len()), (vec![], Some(2), 1));
    assert_eq!(header(&world.published()[0], "retry-attempts").as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_or_cannot_be_read_goes_to_no_retry_topic() {
    let world = World::start(with_topics, [Act::Undecodable, Act::Reject, Act::Skip]);
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    world.idle().await;
    // Undecodable: held, by `on_decode_error`.
    assert_eq!((world.held(), world.published().len()), (vec![0], 0));
    let change = |settings: &mut Settings| {
        with_topics(settings);
        settings.handler.on_decode_error = OnError::DeadLetter;
    };
    let world = World::start(change, [Act::Undecodable, Act::Reject, Act::Skip]);
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    world.idle().await;
    let topics: Vec<_> = world.published().iter().map(|copy| copy.topic.to_string()).collect();
    assert_eq!((topics, world.stored()), (vec!["orders-dlt".to_owned(); 2], Some(3)));
}

#[tokio::test(start_paused = true)]
async fn settled_by_hand_in_a_retry_topic_counts_for_the_record_there() {
    let manual_ack = |settings: &mut Settings| {
        with_topics(settings);
        settings.handler.ack = AckPolicy::Manual;
    };
    let world = World::start_on(FIRST, manual_ack, [Act::AckNow, Act::DropAck, Act::KeepAck]);
    world.feed([retried(0, &PAST), retried(1, &PAST), retried(2, &PAST)]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(world.stored(), Some(2));
    assert_eq!(&*world.published()[0].topic, SECOND, "a dropped ack is a nack");
    world.take_ack().ack().expect("not stale");
    world.idle().await;
    assert_eq!(world.stored(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn without_order_a_record_that_is_not_due_keeps_nothing_running_from_its_end() {
    let change = |settings: &mut Settings| {
        with_topics(settings);
        (settings.spec.order, settings.spec.concurrency) = (Order::None, 4);
    };
    let world = World::start_on(FIRST, change, [Act::Sleep(3_000), Act::Sleep(10), Act::Done]);
    world.feed([retried(0, &[]), retried(1, &[]), retried(2, &PAST)]);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((world.calls().len(), world.stored()), (2, Some(2)));
    world.idle().await;
    assert_eq!((world.calls().len(), world.stored()), (3, Some(3)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_what_is_not_due_back_at_once() {
    let world = World::start_on(FIRST, with_topics, []);
    world.feed([retried(0, &PAST)]);
    world.turn().await;
    world.stop();
    world.ended().await;
    assert_eq!((world.calls(), world.stored()), (vec![], None));
}

#[tokio::test(start_paused = true)]
async fn forged_due_times_hold_no_record_longer_than_the_delay_of_its_topic_and_do_not_add_up() {
    let far = i64::MAX.to_string();
    for timestamp in [Some(0), None, Some(-7), Some(i64::MAX)] {
        let world = World::start_on(FIRST, with_topics, []);
        let forged = |offset| OwnedRecord { timestamp, ..retried(offset, &[("retry-due", &far)]) };
        world.feed((0..300).map(forged));
        let began = tokio::time::Instant::now();
        while world.calls().len() < 300 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(
                began.elapsed() < Duration::from_secs(12),
                "{timestamp:?}: {} calls",
                world.calls().len()
            );
        }
    }
}

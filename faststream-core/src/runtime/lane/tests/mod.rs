//! The table of ack policies, retries, copies and orders, on a scripted lane and producer in virtual time.

mod guard;
mod manual_ack;
mod retry_topics;
mod world;

use std::time::Duration;

use self::world::{Act, World, record};
use crate::broker::{PublishError, PublishErrorKind, Stale};
use crate::policy::{AckPolicy, Commit, OnError, Order, Retry};

const MINUTE: Duration = Duration::from_secs(60);
const KEYS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

#[tokio::test(start_paused = true)]
async fn success_finishes_under_every_policy() {
    for ack in [AckPolicy::AckFirst, AckPolicy::Ack, AckPolicy::RejectOnError, AckPolicy::NackOnError] {
        let world = World::start(|settings| settings.handler.ack = ack, []);
        world.feed([record(4, "a"), record(7, "b")]);
        world.idle().await;
        assert_eq!(world.stored(), Some(8), "{ack:?}");
        assert_eq!(world.calls(), [(4, 1), (7, 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_finished_by_ack_first_ack_and_reject_on_error() {
    for ack in [AckPolicy::AckFirst, AckPolicy::Ack, AckPolicy::RejectOnError] {
        for act in [Act::Fail, Act::Panic, Act::Undecodable, Act::Nack, Act::Reject] {
            let change = |settings: &mut world::Settings| {
                (settings.handler.ack, settings.handler.on_error, settings.handler.on_decode_error) =
                    (ack, OnError::Skip, OnError::Skip);
            };
            let world = World::start(change, [act]);
            world.feed([record(0, "a"), record(1, "b")]);
            world.idle().await;
            assert_eq!(world.stored(), Some(2), "{ack:?} {act:?}");
            assert_eq!(world.calls(), [(0, 1), (1, 1)], "{ack:?} {act:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_with_growing_pauses_and_nothing_overtakes_it() {
    let world = World::start(
        |settings| settings.handler.retry = Retry::attempts(5).parse_backoff("1s..3s").expect("a backoff"),
        [Act::Fail, Act::Panic, Act::Nack],
    );
    world.feed([record(0, "a"), record(1, "b")]);
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1)]);
    assert_eq!(world.stored(), Some(2));
    let pauses = world.pauses();
    for (pause, whole) in pauses.iter().zip([1.0, 2.0, 3.0]) {
        assert!((0.75 * whole..=whole + 0.01).contains(&pause.as_secs_f64()), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_that_run_out_hold_the_record_which_is_tried_again_every_30_s() {
    let world = World::start(|settings| settings.handler.retry = Retry::attempts(2), [Act::Fail; 3]);
    world.feed([record(0, "a"), record(1, "b")]);
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (0, 2)]);
    assert_eq!(world.stored(), None, "nothing is lost");
    assert_eq!(world.held(), [0]);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(world.calls().last(), Some(&(0, 3)));
    assert_eq!(world.held(), [0]);
    tokio::time::sleep(Duration::from_secs(31)).await;
    world.idle().await;
    assert_eq!(world.calls()[3..], [(0, 4), (1, 1)], "it goes on by itself");
    assert_eq!((world.stored(), world.held()), (Some(2), vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_record_is_held_and_never_called_again() {
    let world = World::start(|_| {}, [Act::Undecodable]);
    world.feed([record(0, "a"), record(1, "b")]);
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!((world.calls(), world.held(), world.stored()), (vec![(0, 1)], vec![0], None));
}

#[tokio::test(start_paused = true)]
async fn reject_skip_and_stop_are_never_retried() {
    let world = World::start(
        |settings| settings.handler.on_error = OnError::Skip,
        [Act::Reject, Act::Skip, Act::Stop],
    );
    world.feed([record(0, "a"), record(1, "b"), record(2, "c"), record(3, "d")]);
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(world.stored(), Some(2), "what stopped the app is not finished");
    assert!(world.stop_requested().await.contains("orders/3, offset 2"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_confirmed_before_its_original_is_finished() {
    let world = World::start(
        |settings| {
            (settings.handler.on_error, settings.handler.retry) = (OnError::DeadLetter, Retry::attempts(1));
        },
        [Act::Fail],
    );
    world.refuse(PublishErrorKind::Retriable, 3);
    world.feed([record(0, "a"), record(1, "b")]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((world.stored(), world.published().len()), (None, 0));
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1)], "the handler does not run again for a refused copy");
    assert_eq!(world.stored(), Some(2));
    let letters = world.published();
    assert_eq!((letters.len(), &*letters[0].topic), (1, "orders-dlt"));
    assert_eq!(letters[0].payload.as_deref(), Some(&b"a"[..]));
    let header = |name: &str| {
        let found = letters[0].headers.iter().find(|(key, _)| key == name.as_bytes());
        String::from_utf8(found.and_then(|(_, value)| value.clone()).expect(name).to_vec()).expect("text")
    };
    assert_eq!(
        ["topic", "partition", "offset"].map(|part| header(&format!("dlt-original-{part}"))),
        ["orders", "3", "0"]
    );
    assert_eq!((header("dlt-error-message"), header("dlt-attempts")), ("it failed".into(), "1".into()));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_can_never_be_published_holds_its_original() {
    let world =
        World::start(|settings| settings.handler.on_decode_error = OnError::DeadLetter, [Act::Undecodable]);
    world.refuse(PublishErrorKind::Permanent, 1);
    world.feed([record(0, "a"), record(1, "b")]);
    world.idle().await;
    assert_eq!((world.held(), world.stored()), (vec![0], None));
}

#[tokio::test(start_paused = true)]
async fn results_are_confirmed_before_the_record_is_finished_and_the_next_call_does_not_wait() {
    let world = World::start(|_| {}, [Act::Publish, Act::Publish]);
    world.confirm_manually();
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.calls(), [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(world.stored(), None);
    world.confirm_next(Ok(()));
    world.turn().await;
    assert_eq!(world.stored(), Some(1));
    world.confirm_next(Ok(()));
    world.idle().await;
    assert_eq!(world.stored(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_refused_result_is_published_again_without_a_second_call() {
    let world = World::start(|_| {}, [Act::Publish]);
    world.refuse(PublishErrorKind::Retriable, 4);
    world.feed([record(0, "a")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored(), world.published().len()), (vec![(0, 1)], Some(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_result_is_not_published_again_while_an_earlier_one_has_no_answer() {
    let world = World::start(|_| {}, [Act::Publish, Act::Publish, Act::Publish]);
    world.confirm_manually();
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    world.turn().await;
    // A producer gives up what it has not sent before what it waits an answer for.
    world.refuse_last();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.published().len(), 3, "the first two may not have arrived");
    world.refuse_last();
    world.refuse_last();
    tokio::time::sleep(Duration::from_secs(60)).await;
    for _ in 0..3 {
        world.confirm_next(Ok(()));
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let keys: Vec<_> = world.published().into_iter().filter_map(|copy| copy.key).collect();
    assert_eq!(keys, ["a", "b", "c", "a", "b", "c"]);
    assert_eq!((world.stored(), world.calls().len()), (Some(3), 3));
}

#[tokio::test(start_paused = true)]
async fn a_refused_result_keeps_its_pause_and_its_turn_when_a_call_behind_it_ends() {
    let world = World::start(|_| {}, [Act::Publish, Act::Sleep(50), Act::Publish]);
    world.confirm_manually();
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    world.turn().await;
    world.refuse_last();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(world.published().len(), 1, "its pause is 75 ms at least");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((world.published().len(), world.calls().len()), (2, 2), "it is published alone");
    world.confirm_next(Ok(()));
    world.turn().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1), (2, 1)]);
    world.confirm_next(Ok(()));
    world.idle().await;
    assert_eq!(world.stored(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_can_never_be_published_is_a_failed_attempt() {
    let world = World::start(|_| {}, [Act::Publish]);
    world.refuse(PublishErrorKind::Permanent, 1);
    world.feed([record(0, "a")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (0, 2)], Some(1)));
}

#[tokio::test(start_paused = true)]
async fn by_key_only_the_failing_key_waits_and_offsets_stay_exact() {
    let world = World::start(
        |settings| (settings.spec.order, settings.spec.concurrency) = (Order::Key, 4),
        [Act::Fail, Act::Done, Act::Done],
    );
    world.feed([record(0, "a"), record(1, "b"), record(2, "a"), record(3, "c")]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.calls(), [(0, 1), (1, 1), (3, 1)], "others overtake, its own key does not");
    assert_eq!(world.stored(), None);
    world.idle().await;
    assert_eq!(world.calls()[3..], [(0, 2), (2, 1)]);
    assert_eq!(world.stored(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_bounded_and_never_two_of_one_key_at_a_time() {
    let slow = [Act::Sleep(10); 60];
    let world =
        World::start(|settings| (settings.spec.order, settings.spec.concurrency) = (Order::Key, 4), slow);
    // Two of each key in a row.
    let key = |offset: i64| KEYS[usize::try_from(offset / 2).expect("small") % KEYS.len()];
    world.feed((0..60).map(|offset| record(offset, key(offset))));
    world.idle().await;
    assert_eq!((world.stored(), world.most_at_once()), (Some(60), 4));
    assert!(world.keys_kept_order(), "{:?}", world.calls());
}

#[tokio::test(start_paused = true)]
async fn without_order_everything_overtakes() {
    let world = World::start(
        |settings| (settings.spec.order, settings.spec.concurrency) = (Order::None, 2),
        [Act::Sleep(1000), Act::Done, Act::Done],
    );
    world.feed([record(0, "a"), record(1, "a"), record(2, "a")]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (1, 1), (2, 1)], None));
    world.idle().await;
    assert_eq!(world.stored(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_runs_and_gives_the_rest_back() {
    let world = World::start(|_| {}, [Act::Sleep(1000)]);
    world.feed([record(0, "a"), record(1, "b")]);
    world.turn().await;
    world.stop();
    world.ended().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1)], Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_retry_is_given_back_at_once() {
    let world = World::start(|_| {}, [Act::Fail]);
    world.feed([record(0, "a")]);
    world.turn().await;
    let begun = tokio::time::Instant::now();
    world.stop();
    world.ended().await;
    assert!(begun.elapsed() < Duration::from_millis(10));
    assert_eq!(world.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_its_timeout_is_cancelled_and_failed() {
    let world = World::start(
        |settings| settings.handler.timeout = Some(Duration::from_millis(100)),
        [Act::Sleep(10_000), Act::Sleep(10_000)],
    );
    world.feed([record(0, "a")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (0, 2), (0, 3)], Some(1)));
}

#[tokio::test(start_paused = true)]
async fn manual_waits_for_the_ack_and_a_dropped_one_is_a_nack() {
    let world = World::start(
        |settings| settings.handler.ack = AckPolicy::Manual,
        [Act::KeepAck, Act::DropAck, Act::AckNow, Act::AckNow],
    );
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.stored(), None);
    world.take_ack().ack().expect("not stale");
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1), (1, 2), (2, 1)], "a nack in the call keeps order");
    assert_eq!(world.stored(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn an_ack_that_was_nacked_no_longer_counts_as_out() {
    let world =
        World::start(|settings| settings.handler.ack = AckPolicy::Manual, [Act::KeepAck, Act::AckNow]);
    world.feed([record(0, "a")]);
    world.turn().await;
    world.take_ack().nack().expect("in time");
    let began = tokio::time::Instant::now();
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (0, 2)], Some(1)));
    assert!(began.elapsed() < MINUTE, "settled only after {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_ack_after_the_fence_is_stale_and_changes_nothing() {
    let world = World::start(|settings| settings.handler.ack = AckPolicy::Manual, [Act::KeepAck]);
    world.feed([record(0, "a")]);
    world.turn().await;
    let ack = world.take_ack();
    world.fence();
    assert!(ack.ack().is_err());
    assert_eq!(world.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_durable_ack_asks_for_a_commit_and_waits_for_the_brokers_word() {
    let world = World::start(|settings| settings.handler.ack = AckPolicy::Manual, [Act::AckDurable]);
    world.feed([record(0, "a"), record(1, "b")]);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((world.stored(), world.commits_asked(), world.calls()), (Some(1), 1, vec![(0, 1)]));
    world.committed(1);
    world.turn().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_durable_acks_keep_no_place_from_the_record_they_wait_for() {
    let change = |settings: &mut world::Settings| {
        (settings.handler.ack, settings.spec.order, settings.spec.concurrency) =
            (AckPolicy::Manual, Order::None, 2);
    };
    let world = World::start(change, [Act::Fail, Act::AckDurable, Act::AckDurable, Act::AckNow]);
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.calls(), [(0, 1), (1, 1), (2, 1), (0, 2)]);
    assert_eq!(world.stored(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_durable_ack_that_is_cut_off_by_a_revocation_is_stale() {
    let world = World::start(|settings| settings.handler.ack = AckPolicy::Manual, [Act::KeepAck]);
    world.feed([record(0, "a")]);
    world.turn().await;
    let waits = tokio::spawn(world.take_ack().ack_durable());
    world.turn().await;
    assert_eq!((world.stored(), waits.is_finished()), (Some(1), false));
    world.fence();
    assert_eq!(waits.await.expect("it does not panic"), Err(Stale));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_within_a_turn_begins_none_of_the_records_behind_it() {
    let world = World::start(|_| {}, [Act::Done, Act::Revoked]);
    world.feed((0..100).map(|offset| record(offset, "a")));
    world.ended().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (1, 1)], Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_within_a_turn_begins_no_waiting_attempt() {
    let change = |settings: &mut world::Settings| {
        (settings.spec.order, settings.spec.concurrency) = (Order::None, 4);
        settings.handler.ack = AckPolicy::AckFirst;
        settings.spec.commit = Commit::Each;
    };
    let world = World::start(change, [Act::Revoked]);
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    world.turn().await;
    world.committed(3);
    world.ended().await;
    assert_eq!(world.calls(), [(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_when_it_is_cancelled_is_a_failure_as_any_other() {
    let change = |settings: &mut world::Settings| {
        settings.handler.timeout = Some(Duration::from_secs(1));
        (settings.handler.retry, settings.handler.on_error) = (Retry::attempts(2), OnError::Skip);
    };
    let world = World::start(change, [Act::Bomb, Act::Bomb]);
    world.feed([record(0, "a"), record(1, "b")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (0, 2), (1, 1)], Some(2)));
    world.stop();
    world.ended().await;
}

#[tokio::test(start_paused = true)]
async fn ack_first_with_each_starts_only_once_the_commit_is_confirmed() {
    let world = World::start(
        |settings| (settings.handler.ack, settings.spec.commit) = (AckPolicy::AckFirst, Commit::Each),
        [Act::Panic],
    );
    world.feed([record(0, "a"), record(1, "b")]);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((world.stored(), world.calls()), (Some(1), vec![]));
    world.committed(1);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((world.stored(), world.calls()), (Some(2), vec![(0, 1)]));
    world.committed(2);
    world.turn().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn ack_first_with_each_waits_for_the_commit_behind_its_key_as_well() {
    let change = |settings: &mut world::Settings| {
        (settings.handler.ack, settings.spec.commit) = (AckPolicy::AckFirst, Commit::Each);
        (settings.spec.order, settings.spec.concurrency) = (Order::Key, 2);
    };
    let world = World::start(change, [Act::Sleep(1000)]);
    world.feed([record(0, "a"), record(1, "a")]);
    world.turn().await;
    world.committed(1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1)], Some(2)), "its turn, not its commit");
    world.committed(2);
    world.idle().await;
    assert_eq!(world.calls(), [(0, 1), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_can_never_be_published_is_tried_again_when_its_key_is_free() {
    let world = World::start(
        |settings| {
            (settings.spec.order, settings.spec.concurrency) = (Order::Key, 4);
            settings.handler.retry = Retry::attempts(5).parse_backoff("100ms").expect("a backoff");
        },
        [Act::Publish, Act::Sleep(1000)],
    );
    world.confirm_manually();
    world.feed([record(0, "a"), record(1, "a"), record(2, "a")]);
    world.turn().await;
    world.confirm_next(Err(PublishError {
        kind: PublishErrorKind::Permanent,
        topic: "results".into(),
        message: "too large".into(),
    }));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.calls(), [(0, 1), (1, 1)], "never beside the next one of its key");
    world.idle().await;
    assert_eq!(world.calls()[2..], [(0, 2), (2, 1)], "before those that wait");
    assert_eq!(world.stored(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_record_nacked_after_its_call_is_tried_again_when_its_key_is_free() {
    let world = World::start(
        |settings| {
            (settings.spec.order, settings.spec.concurrency) = (Order::Key, 4);
            settings.handler.ack = AckPolicy::Manual;
            settings.handler.retry = Retry::attempts(5).parse_backoff("100ms").expect("a backoff");
        },
        [Act::KeepAck, Act::Sleep(1000), Act::KeepAck, Act::AckNow],
    );
    world.feed([record(0, "a"), record(1, "a"), record(2, "a"), record(3, "a")]);
    world.turn().await;
    world.take_ack().nack().expect("in time");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.calls(), [(0, 1), (1, 1)], "never beside the next one of its key");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.calls()[2..], [(0, 2), (2, 1), (3, 1)], "before those that wait");
}

#[tokio::test(start_paused = true)]
async fn while_commits_fail_no_more_than_the_limit_is_delivered() {
    let world = World::start(|_| {}, []);
    world.brake();
    world.feed((0..30_000).map(|offset| record(offset, "a")));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.calls().len(), 10_000);
    world.committed(10_000);
    world.idle().await;
    assert_eq!(
        (world.calls().len(), world.stored()),
        (30_000, Some(30_000)),
        "a healthy group is not slowed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_frees_what_is_within_the_limit_by_it_even_if_the_next_one_fails_at_once() {
    let world = World::start(
        |settings| (settings.spec.order, settings.spec.concurrency) = (Order::Key, 4),
        [Act::Sleep(1000)],
    );
    world.feed([record(9_990, "a"), record(10_000, "a"), record(10_001, "a")]);
    world.turn().await;
    world.brake();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.calls(), [(9_990, 1)], "the next one of its key is beyond the limit");
    world.committed(1);
    world.brake();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.calls(), [(9_990, 1), (10_000, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_held_key_stops_the_partition_once_its_span_is_full() {
    let world = World::start(
        |settings| {
            (settings.spec.order, settings.spec.concurrency, settings.handler.retry) =
                (Order::Key, 4, Retry::attempts(1));
        },
        [Act::Fail; 100],
    );
    world.feed((0..30_000).map(|offset| record(offset, if offset == 0 { "bad" } else { "good" })));
    world.only_fail("bad");
    world.idle().await;
    assert_eq!((world.calls().len(), world.held(), world.stored()), (10_000, vec![0], None));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(world.calls().last(), Some(&(0, 2)), "its batch is long gone, the record is still itself");
}

#[tokio::test(start_paused = true)]
async fn a_record_let_go_of_is_finished_without_a_call() {
    let world = World::start(|_| {}, [Act::Fail; 9]);
    world.feed([record(5, "a")]);
    world.idle().await;
    assert_eq!(world.calls().len(), 5);
    let world = World::start_skipping(&[("orders", 3, 5)]);
    world.feed([record(5, "a"), record(6, "b")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(6, 1)], Some(7)));
}

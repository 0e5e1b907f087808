//! Acks settled before a call ends, after it, or never, with results to publish and without.

use std::time::Duration;

use super::world::{Act, Settings, World, record};
use crate::broker::PublishErrorKind;
use crate::policy::{AckPolicy, OnError, Retry};

const TICK: Duration = Duration::from_millis(10);

fn manual(settings: &mut Settings) {
    settings.handler.ack = AckPolicy::Manual;
    settings.handler.retry = Retry::attempts(5).parse_backoff("100ms").expect("a backoff");
}

/// It publishes what it returns.
fn publishes(settings: &mut Settings) {
    manual(settings);
    settings.handler.publishes = ["results".into()].into();
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_is_returned_counts_though_the_ack_went_unsettled() {
    let world = World::start(
        |settings| {
            manual(settings);
            settings.handler.on_error = OnError::Skip;
        },
        [Act::DropAckAndReject, Act::DropAckAndStop],
    );
    world.feed([record(0, "a"), record(1, "b"), record(2, "c")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (1, 1)], Some(1)));
    assert!(world.stop_requested().await.contains("orders/3, offset 1"));
}

#[tokio::test(start_paused = true)]
async fn a_published_result_does_not_finish_a_record_whose_ack_is_out() {
    let world = World::start(publishes, [Act::PublishKeepAck, Act::AckNow]);
    world.feed([record(0, "a"), record(1, "b")]);
    tokio::time::sleep(TICK).await;
    assert_eq!((world.published().len(), world.stored()), (1, None));
    world.take_ack().ack().expect("in time");
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (1, 1)], Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_nack_while_the_result_is_on_its_way_is_another_attempt() {
    for refused in [0, 2] {
        let world = World::start(publishes, [Act::PublishKeepAck, Act::PublishAckNow]);
        world.refuse(PublishErrorKind::Retriable, refused);
        if refused == 0 {
            world.confirm_manually();
        }
        world.feed([record(0, "a")]);
        world.turn().await;
        world.take_ack().nack().expect("in time");
        world.turn().await;
        assert_eq!(world.stored(), None);
        if refused == 0 {
            world.confirm_next(Ok(()));
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.confirm_next(Ok(()));
        }
        world.idle().await;
        assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (0, 2)], Some(1)), "{refused} refused");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_ack_was_dropped_publishes_no_result() {
    let world = World::start(publishes, [Act::PublishDropAck, Act::PublishAckNow]);
    world.feed([record(0, "a")]);
    world.idle().await;
    assert_eq!((world.calls(), world.stored()), (vec![(0, 1), (0, 2)], Some(1)));
    assert_eq!(world.published().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_acked_in_its_call_is_finished_with_its_result() {
    let world = World::start(publishes, [Act::PublishAckNow]);
    world.confirm_manually();
    world.feed([record(0, "a")]);
    tokio::time::sleep(TICK).await;
    assert_eq!((world.published().len(), world.stored()), (1, None));
    world.confirm_next(Ok(()));
    world.idle().await;
    assert_eq!(world.stored(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_acked_record_whose_result_cannot_be_encoded_is_not_held() {
    let world = World::start(publishes, [Act::AckNotEncodable]);
    world.feed([record(0, "a"), record(1, "b")]);
    world.turn().await;
    assert_eq!((world.held(), world.calls()), (vec![], vec![(0, 1), (1, 1)]));
    assert_eq!(world.stored(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn success_of_an_earlier_attempt_is_not_undone_by_a_later_nack() {
    let world = World::start(manual, [Act::KeepAckAndFail, Act::AckEarlierThenNack]);
    world.feed([record(0, "a"), record(1, "b")]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.calls(), [(0, 1), (0, 2), (1, 1)]);
    assert_eq!(world.stored(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_durable_ack_of_a_record_that_is_finished_already_asks_for_a_commit() {
    let world = World::start(manual, [Act::KeepAckAndFail, Act::AckNow]);
    world.feed([record(0, "a")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((world.stored(), world.commits_asked()), (Some(1), 0));
    let waits = tokio::spawn(world.take_ack().ack_durable());
    world.turn().await;
    assert_eq!(world.commits_asked(), 1);
    world.committed(1);
    assert_eq!(waits.await.expect("it does not panic"), Ok(()));
}

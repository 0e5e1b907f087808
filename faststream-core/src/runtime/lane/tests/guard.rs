//! The dead-letter guard at one lane: when it keeps a record back, and what ends that.

use std::time::Duration;

use super::world::{Act, Settings, World, record};
use crate::broker::PublishErrorKind;
use crate::policy::{OnError, Order, Retry};

const KEPT: Duration = Duration::from_secs(31);

fn to_dead_letters(settings: &mut Settings) {
    (settings.handler.on_error, settings.handler.on_decode_error) =
        (OnError::DeadLetter, OnError::DeadLetter);
    settings.handler.retry = Retry::attempts(1);
}

#[tokio::test(start_paused = true)]
async fn the_fifty_first_dead_letter_in_a_row_is_held_with_its_reason_and_tried_again() {
    let world = World::start(to_dead_letters, [Act::Fail; 52]);
    world.feed((0..100).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (50, vec![50], Some(50)));
    assert_eq!(world.held_because(), ["dead-letter guard, 50 dead letters in a row: it failed"]);
    tokio::time::sleep(KEPT).await;
    assert_eq!((world.calls().last(), world.published().len()), (Some(&(50, 2)), 50), "it failed again");
    tokio::time::sleep(KEPT).await;
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (50, vec![], Some(100)));
}

#[tokio::test(start_paused = true)]
async fn a_held_record_that_is_handled_after_all_makes_it_count_anew() {
    let world = World::start(to_dead_letters, [Act::Fail; 51]);
    world.feed((0..51).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!(world.held(), [50]);
    tokio::time::sleep(KEPT).await;
    world.idle().await;
    world.act([Act::Fail; 51]);
    world.feed((51..110).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!(
        (world.published().len(), world.held()),
        (100, vec![101]),
        "another fifty, then it holds again"
    );
}

#[tokio::test(start_paused = true)]
async fn records_that_cannot_be_read_count_and_are_not_tried_again() {
    let world = World::start(to_dead_letters, [Act::Undecodable; 60]);
    world.feed((0..60).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (50, vec![50], Some(50)));
    tokio::time::sleep(10 * KEPT).await;
    assert_eq!(world.calls().len(), 51);
}

#[tokio::test(start_paused = true)]
async fn rejected_records_count_and_are_tried_again() {
    let world = World::start(to_dead_letters, [Act::Reject; 51]);
    world.feed((0..60).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!(world.held(), [50]);
    tokio::time::sleep(KEPT).await;
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (50, vec![], Some(60)));
}

#[tokio::test(start_paused = true)]
async fn nine_of_ten_are_held_once_two_hundred_are_finished() {
    let acts = (0..400).map(|number| if number % 10 == 0 { Act::Done } else { Act::Fail });
    let world = World::start(to_dead_letters, acts);
    world.feed((0..400).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!(world.held(), [201]);
    assert_eq!(
        world.held_because(),
        ["dead-letter guard, 180 dead letters among the last 200 records: it failed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_share_is_forgotten_once_the_held_record_is_handled() {
    let acts = (0..202).map(|number| if number % 10 == 0 { Act::Done } else { Act::Fail });
    let world = World::start(to_dead_letters, acts);
    world.feed((0..202).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!(world.held(), [201]);
    tokio::time::sleep(KEPT).await;
    world.act([Act::Fail; 10]);
    world.feed((202..220).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (190, vec![], Some(220)));
}

#[tokio::test(start_paused = true)]
async fn one_in_a_hundred_is_never_held() {
    let acts = (0..5_000).map(|number| if number % 100 == 0 { Act::Fail } else { Act::Done });
    let world = World::start(to_dead_letters, acts);
    world.feed((0..5_000).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (50, vec![], Some(5_000)));
}

#[tokio::test(start_paused = true)]
async fn copies_on_their_way_count_before_they_are_confirmed() {
    let world = World::start(to_dead_letters, [Act::Fail; 100]);
    world.confirm_manually();
    world.feed((0..100).map(|offset| record(offset, "a")));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (50, vec![50], None));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_refused_counts_once() {
    let world = World::start(to_dead_letters, [Act::Fail; 120]);
    world.refuse(PublishErrorKind::Permanent, 60);
    world.feed((0..2).map(|offset| record(offset, "a")));
    tokio::time::sleep(52 * KEPT).await;
    assert_eq!((world.held(), world.published().len()), (vec![0], 0));
    assert!(!world.held_because()[0].contains("guard"), "{:?}", world.held_because());
}

#[tokio::test(start_paused = true)]
async fn without_order_every_further_one_is_held_until_others_succeed() {
    let change = |settings: &mut Settings| {
        to_dead_letters(settings);
        (settings.spec.order, settings.spec.concurrency) = (Order::None, 4);
    };
    let world = World::start(change, [Act::Fail; 60]);
    world.feed((0..60).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!((world.published().len(), world.held().len(), world.stored()), (50, 10, Some(50)));
    world.feed((60..70).map(|offset| record(offset, "a")));
    tokio::time::sleep(KEPT).await;
    world.idle().await;
    assert_eq!((world.held(), world.stored()), (vec![], Some(70)));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_bad_itself_is_given_up_and_the_next_one_shows_that_the_cause_is_mended() {
    let world = World::start(to_dead_letters, [Act::Fail; 50]);
    // After fifty that fail for one reason, one that cannot be handled for a reason of its own.
    world.act([Act::Fail, Act::Reject, Act::Reject]);
    world.feed((0..60).map(|offset| record(offset, "a")));
    world.idle().await;
    assert_eq!((world.published().len(), world.held()), (50, vec![50]));
    tokio::time::sleep(KEPT).await;
    world.idle().await;
    assert_eq!(
        (world.published().len(), world.held()),
        (51, vec![51]),
        "it is given up, the next one failed, too"
    );
    tokio::time::sleep(KEPT).await;
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (51, vec![], Some(60)));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_as_the_others_did_is_given_up_the_tenth_time() {
    let world = World::start(to_dead_letters, [Act::Fail; 61]);
    world.feed((0..60).map(|offset| record(offset, "a")));
    tokio::time::sleep(9 * KEPT).await;
    assert_eq!((world.published().len(), world.held()), (50, vec![50]));
    tokio::time::sleep(3 * KEPT).await;
    world.idle().await;
    assert_eq!((world.published().len(), world.held(), world.stored()), (51, vec![], Some(60)));
}

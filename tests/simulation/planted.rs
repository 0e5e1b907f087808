//! Each bug, planted in the runtime, is found within a thousand seeds, and the promise that it breaks is named.

use std::panic::{AssertUnwindSafe, catch_unwind};

use faststream::testing::{Faults, Scenario, simulate};
use faststream_core::runtime::planted::{Planted, plant};

use crate::{app, scenario};

/// What a seed says that finds the bug.
fn found(bug: Planted, module: &str, scenario: Scenario) -> String {
    let factory = || {
        // The seeds run on threads of their own, which end with them.
        plant(Some(bug));
        std::future::ready(app(module))
    };
    let ran = catch_unwind(AssertUnwindSafe(|| simulate(0..1_000, factory, scenario)));
    let panic = ran.expect_err("a seed finds it");
    let told = panic.downcast_ref::<String>().expect("a formatted text").clone();
    println!("{bug:?}: {}", told.lines().take(2).collect::<Vec<_>>().join(" "));
    told
}

#[test]
fn storing_the_highest_offset_is_found() {
    let told = found(Planted::StoreHighest, "simulation::apps::by_key", scenario());
    assert!(told.contains("promise 1:") && told.contains("is not finished"), "{told}");
}

#[test]
fn a_stale_ack_that_counts_is_found() {
    let told = found(Planted::ForgetEpoch, "simulation::apps::by_hand", scenario());
    assert!(told.contains("promise 7:"), "{told}");
}

#[test]
fn a_record_that_waits_for_its_key_and_is_not_tracked_is_found() {
    let told = found(Planted::ForgetQueued, "simulation::apps::by_key", scenario());
    assert!(told.contains("promise 1:") && told.contains("is not finished"), "{told}");
}

#[test]
fn a_record_finished_before_its_copy_is_confirmed_is_found() {
    let told = found(Planted::SettleEarly, "simulation::apps::by_partition", scenario());
    assert!(told.contains("promise 1:") && told.contains("is not in"), "{told}");
}

#[test]
fn a_record_finished_before_its_copy_is_in_the_next_retry_topic_is_found() {
    let told = found(Planted::GoOnEarly, "simulation::apps::by_stages", scenario());
    assert!(told.contains("promise 1:") && told.contains("its copy is not in in-simulated-retry-"), "{told}");
}

#[test]
fn a_due_time_forgotten_when_a_partition_is_read_again_is_found() {
    let told = found(Planted::ForgetDue, "simulation::apps::by_stages", scenario());
    assert!(told.contains("a record in a retry topic is") && told.contains("it is due in"), "{told}");
}

#[test]
fn a_guard_that_does_not_look_at_the_share_is_found() {
    let told = found(Planted::ForgetShare, "simulation::apps::by_half", scenario());
    assert!(
        told.contains("than the guard lets through") && told.contains("among the last 5 records"),
        "{told}"
    );
}

#[test]
fn a_drain_without_end_is_found() {
    let told = found(Planted::DrainForEver, "simulation::apps::by_partition", scenario());
    assert!(told.contains("promise 4:") || told.contains("promise 6:"), "{told}");
}

#[test]
fn a_record_read_from_a_batch_that_was_refilled_is_found() {
    // Longer batches: what is kept meets one.
    let scenario = scenario().partitions("in", 1).faults(Faults::none());
    let told = found(Planted::ReuseIndex, "simulation::apps::by_key", scenario);
    // Another record is read, or none is there at its index.
    assert!(told.contains("promise 8:") || told.contains("promise 10:"), "{told}");
}

#[test]
fn a_plain_function_beside_its_next_attempt_is_found() {
    let told = found(Planted::CancelPlain, "simulation::apps::plain", scenario());
    assert!(told.contains("promise 8:") && told.contains("its function still runs"), "{told}");
}

#[test]
fn a_brake_that_forgets_what_waits_behind_its_key_is_found() {
    let told = found(Planted::ForgetBrake, "simulation::apps::by_key", scenario());
    assert!(told.contains("records beyond the last commit, of"), "{told}");
}

#[test]
fn refused_copies_published_again_each_by_itself_are_found_by_their_order() {
    for app in ["simulation::apps::copies_by_partition", "simulation::apps::copies_by_key"] {
        let told = found(Planted::RepublishAlone, app, scenario());
        assert!(told.contains("promise 8:") && told.contains("refused"), "{told}");
    }
}

#[test]
fn a_key_that_a_failed_record_keeps_from_an_earlier_one_is_found() {
    let told = found(Planted::KeepKey, "simulation::apps::by_key", scenario());
    assert!(told.contains("is committed of") && told.contains("nothing is held"), "{told}");
}

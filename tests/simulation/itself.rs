//! The simulation itself: it repeats, and what it says of a broken promise is enough to find it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use faststream::testing::{Faults, Scenario, simulate};

use crate::behaviour::Job;
use crate::{app, scenario, stages};

const APP: &str = "simulation::apps::by_key";

#[test]
fn the_same_seeds_give_the_same_run() {
    let run = |first: u64| simulate(first..first + 8, || std::future::ready(app(APP)), scenario());
    let (one, other) = (run(0), run(0));
    assert_eq!((one.hash, one.records, one.calls), (other.hash, other.records, other.calls));
    assert_ne!(one.hash, run(8).hash);
    assert!(one.faults.len() > 10, "every kind of fault but a few: {:?}", one.faults);
}

#[test]
fn the_same_seeds_give_the_same_run_with_plain_functions() {
    let factory = || std::future::ready(app("simulation::apps::plain"));
    let run = || simulate(0..8, factory, scenario());
    let (one, other) = (run(), run());
    assert_eq!((one.hash, one.records, one.calls), (other.hash, other.records, other.calls));
}

#[test]
fn a_broken_check_is_told_with_its_seed_and_what_had_happened() {
    let scenario = scenario().faults(Faults::none()).check(|world| {
        let all = world.published::<Job>("out").len();
        assert!(all < 20, "there are {all} results");
    });
    let ran =
        catch_unwind(AssertUnwindSafe(|| simulate(0..20, || std::future::ready(app(APP)), scenario.clone())));
    let panic = ran.expect_err("twenty records are soon there");
    let told = panic.downcast_ref::<String>().expect("a formatted text");
    for part in
        ["seed 0 breaks a check of the scenario", "results (tests", "handle begins in/", "FASTSTREAM_SEED=0"]
    {
        assert!(told.contains(part), "`{part}` is missing: {told}");
    }
    assert!(!told.contains("does not repeat"), "{told}");
}

#[test]
fn without_faults_and_records_nothing_happens() {
    let report = simulate(0..3, || std::future::ready(app(APP)), Scenario::new().faults(Faults::none()));
    assert_eq!((report.seeds, report.records, report.calls, report.faults.len()), (3, 0, 0, 0));
}

#[test]
fn copies_are_counted_for_nobody_while_another_record_may_have_left_them() {
    // Dead letters of an earlier assignment: of a record that the guard keeps back by now, of one whose own is refused.
    let by_half = || std::future::ready(app("simulation::apps::by_half"));
    assert_eq!(simulate([12_018_298, 12_028_588], by_half, scenario()).seeds, 2);
    // A record and its copy in a retry topic have the same result. A record that went on twice has two such copies, of which
    // one may go on where the other has a result.
    let seeds = [8_014_707, 8_022_836, 8_032_424];
    let by_stages = || std::future::ready(app("simulation::apps::by_stages"));
    assert_eq!(simulate(seeds, by_stages, stages::accounted(scenario())).seeds, 3);
}

#[test]
fn the_guard_counts_a_record_that_is_tried_again_after_later_ones_as_the_last() {
    let by_half = || std::future::ready(app("simulation::apps::by_half"));
    assert_eq!(simulate([12_040_484], by_half, scenario()).seeds, 1);
}

#[test]
fn actions_are_taken_and_checks_at_the_end_see_all_that_came_of_them() {
    let scenario = scenario()
        .steps(60)
        .action("a job of its own", |world| world.publish("in", &Job { id: 0 }.value()))
        .check_at_end(|world| {
            let of_its_own = world.published::<Job>("out").all().iter().filter(|job| job.id == 0).count();
            let records = world.records("in");
            let payloads = records.iter().filter_map(|(_, record)| record.payload.as_deref());
            let published = payloads.filter(|payload| *payload == br#"{"id":0}"#);
            assert!(of_its_own >= published.count());
        });
    let report = simulate(0..5, || std::future::ready(app(APP)), scenario);
    assert_eq!(report.seeds, 5);
}

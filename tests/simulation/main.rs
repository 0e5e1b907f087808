//! The runtime under thousands of random schedules: every order, ack policy, commit and end of a record.
//!
//! `FASTSTREAM_SEEDS` says how many seeds all of it takes together, or `FASTSTREAM_SEEDS_EACH` how many each app takes;
//! `FASTSTREAM_SEED` replays one. `mutations/` holds bugs that they must find; `scripts/mutations` tries them.
#![allow(clippy::print_stdout, reason = "figures of a run")]

mod apps;
mod behaviour;
mod hooks;
mod itself;
mod stages;
mod witness;

use faststream::FastStream;
use faststream::memory::MemoryBroker;
use faststream::testing::{Fault, Faults, Report, Scenario, random_of_run, simulate};
use faststream::{DeadLetterGuard, GroupSettings, Publish};

use self::behaviour::Job;

/// How many simulations share the seeds.
const SHARES: u64 = 23;

/// Runs one app's share of the seeds: no two apps get the same ones.
fn share(number: u64, app: impl Fn() -> FastStream + Sync) -> Report {
    share_of(number, app, scenario())
}

fn share_of(number: u64, app: impl Fn() -> FastStream + Sync, scenario: Scenario) -> Report {
    let given = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let each = given("FASTSTREAM_SEEDS_EACH")
        .unwrap_or_else(|| u64::div_ceil(given("FASTSTREAM_SEEDS").unwrap_or(200), SHARES));
    let first = number * 1_000_000;
    let report = simulate(first..first + each, || std::future::ready(app()), scenario);
    println!("{report}");
    report
}

/// Jobs in `in`, with few keys and without, some of which cannot be read.
fn scenario() -> Scenario {
    Scenario::new()
        .records("in", |random, id| {
            let job = Job { id };
            let key = if random.chance(0.8) { Some(format!("k{}", random.below(4))) } else { None };
            if random.chance(0.02) { Publish::new(Job::unreadable(id)) } else { Publish::new(job.value()) }
                .key(key)
        })
        .steps(40)
}

/// The app of one module, with limits drawn from the seed.
fn app(module: &str) -> FastStream {
    let mut random = random_of_run();
    let settings = GroupSettings::new()
        .max_uncommitted(*random.pick(&[3, 10, 10_000]))
        .max_unconfirmed(*random.pick(&[1, 3, 10_000, 10_000]))
        .max_in_flight(*random.pick(&[8, 16, 10_000]))
        .dead_letter_guard(*random.pick(&[
            None,
            Some(DeadLetterGuard::new(2, 90, 10)),
            Some(DeadLetterGuard::new(50, 60, 5)),
            Some(DeadLetterGuard::default()),
        ]));
    FastStream::new(MemoryBroker::new()).name("simulated").module(module).group_settings(settings)
}

#[test]
fn partition_order_with_results_and_dead_letters() {
    share(0, || app("simulation::apps::by_partition"));
}

#[test]
fn key_order_with_results_and_held_records() {
    share(1, || app("simulation::apps::by_key"));
}

#[test]
fn no_order_with_rejects_and_timeouts() {
    share(2, || app("simulation::apps::unordered"));
}

#[test]
fn acks_by_hand_settled_late_and_dropped() {
    share(3, || app("simulation::apps::by_hand"));
}

#[test]
fn acks_by_hand_in_partition_order() {
    share(4, || app("simulation::apps::by_hand_in_order"));
}

#[test]
fn finished_when_dispatched_in_key_order() {
    share(5, || app("simulation::apps::first"));
}

#[test]
fn finished_when_dispatched_and_committed() {
    share(6, || app("simulation::apps::first_each"));
}

#[test]
fn finished_when_ended_and_skipped_in_two_groups() {
    share(7, || app("simulation::apps::two_groups"));
}

#[test]
fn two_retry_topics_then_dead_letters_in_partition_order() {
    share_of(8, || app("simulation::apps::by_stages"), stages::accounted(scenario()));
}

#[test]
fn retry_topics_without_order_and_acks_by_hand() {
    share(9, || app("simulation::apps::by_stages_and_hand"));
}

#[test]
fn durable_acks_inside_the_call() {
    share_of(10, || app("simulation::apps::durable"), witness::watched(scenario()));
}

#[test]
fn half_of_all_become_dead_letters_if_the_guard_lets_them() {
    share(12, || app("simulation::apps::by_half"));
}

#[test]
fn plain_functions_that_outlive_their_timeout_and_their_assignment() {
    share(13, || app("simulation::apps::plain"));
}

#[test]
fn plain_functions_settled_by_hand_and_gone_on_in_a_retry_topic() {
    share(14, || app("simulation::apps::plain_stages"));
}

/// Seen once in 100,000 runs: the task of the lane that had begun it had not been polled since it was over.
#[test]
fn a_function_is_waited_for_before_its_lane_has_noticed_that_it_is_over() {
    let app = || std::future::ready(app("simulation::apps::plain_stages"));
    simulate(14_002_867..14_002_868, app, scenario());
}

#[test]
fn acks_by_hand_beside_results_settled_hours_later() {
    share(17, || app("simulation::apps::by_hand_with_results"));
}

#[test]
fn handlers_that_stop_the_app() {
    share(18, || app("simulation::apps::stops"));
}

#[test]
fn many_handlers_in_several_groups() {
    share(19, || app("simulation::apps::many"));
}

#[test]
fn hooks_that_take_long_fail_and_panic() {
    share_of(11, || hooks::hooked(app("simulation::apps::hooked")), witness::watched(scenario()));
    let ran = hooks::RAN.each_ref().map(|ran| ran.load(std::sync::atomic::Ordering::Relaxed));
    assert!(ran.iter().all(|ran| *ran > 0), "each kind of hook ran: {ran:?}");
}

#[test]
fn copies_on_their_way_in_key_order() {
    share(15, || app("simulation::apps::copies_by_key"));
}

#[test]
fn copies_on_their_way_in_partition_order() {
    share(16, || app("simulation::apps::copies_by_partition"));
}

/// Without faults, many records arrive at once: what is kept outlives its batch.
#[test]
fn long_batches_in_key_order() {
    share_of(20, || app("simulation::apps::by_key"), scenario().partitions("in", 1).faults(Faults::none()));
}

/// With what operators do.
fn operated() -> Scenario {
    scenario().faults(Faults::all().with(Fault::Pauses).with(Fault::Seeks))
}

#[test]
fn pauses_resumes_and_seeks_among_faults() {
    share_of(21, || app("simulation::apps::operated"), operated());
}

#[test]
fn pauses_resumes_and_seeks_of_records_that_are_settled_by_hand_or_only_once() {
    share_of(22, || app("simulation::apps::operated_by_hand"), operated());
}

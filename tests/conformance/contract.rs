//! The contract of a backend, without app and runtime: the checks that core exports.

/// A behaviour that is a check of core.
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        $(pub(crate) mod $check {
            use std::future::Future;
            use std::pin::Pin;

            use faststream_core::testing::conformance;

            use crate::backend::Backend;

            pub(crate) fn play(backend: &dyn Backend) -> Pin<Box<dyn Future<Output = ()> + '_>> {
                Box::pin(conformance::$check(backend))
            }
        })*
    };
}

checks! {
    a_store_after_the_fence_is_stale,
    a_fill_after_the_fence_yields_nothing,
    a_revoked_lane_is_over_once_the_revocation_is_answered,
    a_lane_is_reopened_at_the_later_of_committed_and_stored,
    commits_asked_for_while_one_is_in_flight_become_one_more,
    backlog_is_what_the_group_has_not_committed,
    closing_fences_commits_and_ends_with_closed,
    a_paused_lane_yields_nothing_until_it_is_resumed,
    a_pause_ends_with_its_lane,
    a_seek_ends_the_lane_and_the_next_one_begins_at_its_offset,
    after_a_seek_backwards_lower_offsets_are_committed_once_they_are_stored,
    a_lane_that_ends_after_a_seek_backwards_commits_its_lower_offset,
    only_offsets_between_the_ends_of_a_partition_are_found,
    topics_come_and_go_while_the_others_are_read,
    publishes_are_answered_in_their_order,
    a_flush_waits_for_every_answer,
}

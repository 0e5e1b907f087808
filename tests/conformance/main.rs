//! One suite for every backend: what users rely on holds in memory, on librdkafka's mock cluster, and on a real Kafka.
//!
//! The real ones are ignored by a plain `cargo test`, because they need Java and Maven:
//! `cargo test --test conformance -- --ignored`.
#![allow(missing_docs, clippy::missing_panics_doc)]

mod acks;
mod backend;
#[path = "../support/broker.rs"]
mod broker;
#[path = "../support/client.rs"]
mod client;
mod consuming;
mod contract;
mod groups;
mod input;
mod operating;
mod publishing;
mod retrying;
mod world;

/// A test for each backend of a behaviour, which is a function of the world it plays in.
macro_rules! conform {
    ($($module:ident::$behaviour:ident),* $(,)?) => {
        $(mod $behaviour {
            use crate::backend::{in_memory, on_kafka, on_the_mock_cluster};
            use crate::$module::$behaviour::play;

            #[test]
            fn memory() {
                in_memory(play);
            }

            #[test]
            fn mock() {
                on_the_mock_cluster(play);
            }

            #[test]
            #[ignore = "needs Java and Maven"]
            fn kafka() {
                on_kafka(play);
            }
        })*
    };
}

conform! {
    contract::a_store_after_the_fence_is_stale,
    contract::a_fill_after_the_fence_yields_nothing,
    contract::a_revoked_lane_is_over_once_the_revocation_is_answered,
    contract::a_lane_is_reopened_at_the_later_of_committed_and_stored,
    contract::commits_asked_for_while_one_is_in_flight_become_one_more,
    contract::backlog_is_what_the_group_has_not_committed,
    contract::closing_fences_commits_and_ends_with_closed,
    contract::a_paused_lane_yields_nothing_until_it_is_resumed,
    contract::a_pause_ends_with_its_lane,
    contract::a_seek_ends_the_lane_and_the_next_one_begins_at_its_offset,
    contract::after_a_seek_backwards_lower_offsets_are_committed_once_they_are_stored,
    contract::a_lane_that_ends_after_a_seek_backwards_commits_its_lower_offset,
    contract::only_offsets_between_the_ends_of_a_partition_are_found,
    contract::topics_come_and_go_while_the_others_are_read,
    contract::publishes_are_answered_in_their_order,
    contract::a_flush_waits_for_every_answer,
    consuming::each_record_is_handled_once_with_its_own_topic,
    consuming::two_groups_both_get_each_record,
    consuming::tombstones_and_strange_headers_are_readable,
    consuming::keys_keep_their_order_while_others_overtake,
    consuming::latest_skips_what_is_there_and_an_existing_group_continues,
    consuming::latest_reads_a_topic_that_is_made_later_from_its_beginning,
    consuming::a_pattern_reads_what_matches_and_what_is_made_later_from_its_beginning,
    acks::success_commits_one_past_the_record_under_every_policy,
    acks::a_failure_is_finished_or_retried_by_its_policy,
    acks::a_held_record_keeps_the_committed_offset_before_it,
    acks::a_stop_ends_the_app_with_3_and_both_records_come_again,
    acks::a_call_cut_off_by_the_drain_is_handled_again,
    acks::unsettled_records_come_again_after_a_restart,
    acks::dead_letters_say_where_they_are_from,
    groups::a_durable_ack_returns_once_the_broker_has_it,
    groups::a_revocation_does_not_wait_for_calls_that_wait_for_their_commit,
    groups::hooks_frame_what_is_handled,
    input::what_cannot_be_read_becomes_a_dead_letter_as_it_was,
    input::a_held_unreadable_record_is_named_and_survives_a_restart,
    input::a_payload_of_a_megabyte_goes_in_and_out,
    input::a_header_that_is_no_text_is_refused_by_name_and_the_last_of_many_counts,
    operating::a_paused_handler_is_called_again_once_it_is_resumed,
    operating::a_pause_survives_members_that_come_and_go,
    operating::a_seek_repeats_or_skips_and_a_restart_goes_on_there,
    retrying::retry_topics_keep_place_and_delay_and_end_in_the_dead_letters,
    publishing::key_headers_timestamp_and_partition_arrive_as_written,
    publishing::keys_choose_the_partitions_that_javas_client_chooses,
    publishing::of_many_at_once_only_the_one_that_is_refused_is_missing_and_named,
    publishing::results_that_are_refused_late_keep_their_order,
    publishing::dead_letters_that_are_refused_late_keep_their_order,
    publishing::a_header_name_with_a_nul_byte_is_refused_and_nothing_is_written,
}

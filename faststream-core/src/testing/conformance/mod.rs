//! The contract of a backend, checked through the contract alone.
//!
//! There is no app and no runtime here, only a [`Broker`](crate::broker::Broker) and its [`Producer`](crate::broker::Producer),
//! [`Lane`](crate::broker::Lane)s and events. The project runs these checks for the in-memory broker, for Kafka's
//! client on a mock cluster, and for Kafka itself: what a test proves on the in-memory broker holds on the others
//! as far as these checks reach.
//!
//! Each function is one check, named after the sentence that it proves. It runs on an [`UnderTest`], creates its
//! own topics and groups, and panics if the backend breaks the promise. Call it on a tokio runtime whose clock
//! runs. It waits for each event, `PATIENCE` at most; only absence (nothing is read, no further commit) is proved
//! by a pause.
//!
//! The names of topics differ from check to check, so checks may share a broker, one after the other.
#![allow(clippy::missing_panics_doc, reason = "a check panics if the promise that its name states is broken")]

mod closing;
mod commands;
mod commits;
mod fence;
mod member;
mod publishes;
mod under_test;

pub use closing::closing_fences_commits_and_ends_with_closed;
pub use commands::{
    a_lane_that_ends_after_a_seek_backwards_commits_its_lower_offset, a_pause_ends_with_its_lane,
    a_paused_lane_yields_nothing_until_it_is_resumed,
    a_seek_ends_the_lane_and_the_next_one_begins_at_its_offset,
    after_a_seek_backwards_lower_offsets_are_committed_once_they_are_stored,
    only_offsets_between_the_ends_of_a_partition_are_found, topics_come_and_go_while_the_others_are_read,
};
pub use commits::{
    backlog_is_what_the_group_has_not_committed, commits_asked_for_while_one_is_in_flight_become_one_more,
};
pub use fence::{
    a_fill_after_the_fence_yields_nothing, a_lane_is_reopened_at_the_later_of_committed_and_stored,
    a_revoked_lane_is_over_once_the_revocation_is_answered, a_store_after_the_fence_is_stale,
};
pub use publishes::{a_flush_waits_for_every_answer, publishes_are_answered_in_their_order};
pub use under_test::UnderTest;

//! One assigned partition, as its task reads it.
//!
//! `KafkaLane` is the task's side: it takes records from librdkafka's queue, lends them to handlers without a
//! copy, and stores offsets. `LaneHandle` is the control thread's side (`handle.rs`); both share it. `offsets.rs`
//! holds the fence, `replay.rs` the rule for offsets that go back.
//!
//! The way of a record: librdkafka's thread puts it into the partition's queue, whose callback wakes the task. The
//! task takes a batch (`poll_fill`), runs the handlers, and stores the next offset (`store`). The control thread
//! commits it later (`committer.rs`). Per record there is no lock, no clock and no allocation here; a batch costs
//! a few locks, one call of librdkafka and one clock.
//!
//! A batch pins the fetch buffers that its records were parsed from: one kept record of 1 KB was measured to hold
//! 1 MB. So a suspended call copies the rest of its batch (`detach`), and batches are limited in bytes.

mod commands;
mod handle;
mod kafka_lane;
mod offsets;
mod replay;

pub(super) use handle::LaneHandle;
pub(super) use kafka_lane::KafkaLane;

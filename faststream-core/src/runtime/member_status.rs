//! What a membership shows of itself: plain data, for health, the console and tests.

use std::sync::Arc;
use std::time::Duration;

use crate::TopicPartition;
use crate::broker::Remedy;

/// How a membership ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Drained, committed and left.
    Clean,
    /// Left, but some calls were cancelled: their records are handled again. One sentence each.
    DrainExceeded {
        /// The unfinished work.
        left: Vec<String>,
    },
    /// A fatal client error.
    Fatal {
        /// The client's message.
        message: String,
        /// The possible remedy.
        remedy: Remedy,
    },
    /// The member was dropped without an end.
    Crashed,
}

/// The current status of a membership.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Whether it has partitions.
    pub assignment: AssignmentStatus,
    /// The backend's current problems: one sentence each.
    pub problems: Vec<String>,
    /// Calls that take long or block their thread; at most one for each partition.
    pub stuck: Vec<StuckCall>,
    /// Partitions whose task died more than once in a row.
    pub dying: Vec<DyingPartition>,
    /// The pauses that the app requested, and that were not resumed.
    pub paused: Vec<PausedHandler>,
    /// Held records, in no particular order.
    pub held: Vec<HeldRecord>,
    /// Copies that are unconfirmed for 10 s, or that the cluster denies; at most one for each partition.
    pub unconfirmed: Vec<UnconfirmedCopy>,
    /// Whether what is finished becomes durable.
    pub commits: CommitStatus,
    /// The records that the broker deleted before they were handled, if that was within the last ten minutes: a
    /// sentence.
    pub expired: Option<String>,
    /// How long its client has not been polled; `None` while there is none.
    pub silent_for: Option<Duration>,
}

/// Which partitions a membership has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignmentStatus {
    /// Whether it had its first assignment (an empty one counts).
    pub was_assigned: bool,
    /// How long it has had no assignment since it was lost; `None` if it has one, or never had one.
    pub lost_for: Option<Duration>,
    /// How many partitions it reads.
    pub lanes: usize,
    /// How many partitions are stalled because of the records that they hold.
    pub standing: usize,
}

/// Whether the offsets of finished records become durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitStatus {
    /// The last commit's error, of one of the partitions where it failed; `None` if it failed nowhere.
    pub error: Option<String>,
    /// How many commits failed since the membership began, counted by partition.
    pub failures: u64,
    /// How long finished records have been uncommitted, in the worst partition.
    pub dirty_for: Duration,
    /// After it has left: partitions with finished records that were not committed, which are handled again.
    pub uncommitted: Vec<Uncommitted>,
}

/// A partition that was released with finished records that were not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uncommitted {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// How many offsets the committed offset is behind.
    pub offsets: u64,
}

/// A pause that the app requested.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PausedHandler {
    /// The handler; `None` if all handlers of the group are paused.
    pub handler: Option<Arc<str>>,
    /// The partition; `None` if all are paused, also those that are assigned later.
    pub topic_partition: Option<TopicPartition>,
    /// How many of the partitions that are assigned now it stops.
    pub partitions: usize,
}

/// A call that does not end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StuckCall {
    /// The handler.
    pub handler: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's offset, if it is known.
    pub offset: Option<i64>,
    /// How long it has run, to within a few seconds.
    pub age: Duration,
    /// Whether it blocks a thread of the runtime, on which other partitions wait as well.
    pub blocking: bool,
}

/// A partition whose task dies again and again. It is opened again each time, after a pause that doubles.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DyingPartition {
    /// The handler.
    pub handler: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record that the task worked at when it last died, if any.
    pub offset: Option<i64>,
    /// How often it died in a row.
    pub deaths: u32,
}

/// A held record: later records wait.
///
/// ```
/// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) -> Result<(), String> {
///     Err("no price".into())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &1).await;
/// let held = app.held();
/// assert_eq!((held[0].offset, &*held[0].topic, &*held[0].error), (0, "orders", "no price"));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldRecord {
    /// Its handler.
    pub handler: Arc<str>,
    /// The handler's group.
    pub group: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why it failed the last time.
    pub error: String,
}

/// A result, a copy for a retry topic or a dead letter without the broker's confirmation: its record is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnconfirmedCopy {
    /// The handler.
    pub handler: Arc<str>,
    /// The topic of the record.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The topic that the copy is for.
    pub to: Arc<str>,
    /// How long ago it was to be published first.
    pub age: Duration,
    /// Why it was refused; `None` if there is no answer yet.
    pub error: Option<String>,
}

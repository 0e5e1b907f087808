//! What is done with records: the settings of subscribers, groups and the app.

mod duration;
mod guard;
pub(crate) mod limits;
mod provision;
mod retry;
mod settings;

pub use duration::{DurationError, parse_duration};
pub use guard::DeadLetterGuard;
pub use provision::Provision;
pub use retry::{BackoffError, Retry};
pub use settings::GroupSettings;

/// When a record is finished, and what an error means. The guarantees stand in the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AckPolicy {
    /// Finished when dispatched: at most once.
    AckFirst,
    /// Finished when the handler ended, whatever came of it.
    Ack,
    /// Finished when the handler ended; an error rejects: the dead letter if one is named, else skipped.
    RejectOnError,
    /// Finished when the handler succeeded, or when retries ran out and `on_error` is done: at least once.
    #[default]
    NackOnError,
    /// Finished when the handler settles its `Ack`.
    Manual,
}

/// What becomes of a record that is given up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnError {
    /// Keep it back: nothing behind it (in its partition or key) moves, nothing is lost.
    #[default]
    Hold,
    /// Publish it to the dead-letter topic, then go on.
    DeadLetter,
    /// Count it as finished.
    Skip,
    /// Drain the app and exit with 3; the record is not finished.
    Stop,
}

/// What must not overtake what inside one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Order {
    /// One record at a time.
    #[default]
    Partition,
    /// Records of one key in order; others overtake. Records without a key have no order.
    Key,
    /// No order.
    None,
}

/// When finished becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Commit {
    /// By a timer (1 s): nothing waits for it.
    #[default]
    Periodic,
    /// As soon as a record is finished; commits coalesce while one is in flight.
    Each,
}

/// Where a group begins that never committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// At the oldest record.
    #[default]
    Earliest,
    /// Behind the newest record of what is there when it joins. A partition or topic that is added later, or was while
    /// nobody of the group ran, is read from its beginning.
    Latest,
}

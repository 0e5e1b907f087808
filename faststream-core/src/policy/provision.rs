//! Who makes retry topics and dead-letter topics.

/// What happens at start to retry topics and dead-letter topics that do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Provision {
    /// They are made, with as many partitions as the topic whose records they are for (the broker's own number if that
    /// one does not exist yet) and the broker's replication.
    #[default]
    Create,
    /// The app does not start: where topics are made by somebody else.
    Verify,
}

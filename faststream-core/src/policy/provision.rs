//! Who creates retry topics and dead-letter topics.

/// What happens at startup to missing retry topics and dead-letter topics. Topics of results are never created.
///
/// ```
/// use faststream::{FastStream, GroupSettings, Provision, memory::MemoryBroker};
///
/// // Somebody else creates retry topics and dead-letter topics: the app does not start without them.
/// let settings = GroupSettings::new().provision(Provision::Verify);
/// let app = FastStream::new(MemoryBroker::new()).group_settings(settings);
/// # let _ = app;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Provision {
    /// Creates the topics, with as many partitions as the topic whose records they receive (the broker's default number
    /// if that topic does not exist yet) and the broker's replication. Recreates them if somebody deletes them. Retry
    /// topics keep their records for at least a week, and twice their delay.
    #[default]
    Create,
    /// Refuses to start the app. For clusters where somebody else creates the topics.
    Verify,
}

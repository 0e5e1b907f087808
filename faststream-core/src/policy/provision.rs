//! Who makes retry topics and dead-letter topics.

/// What happens at start to retry topics and dead-letter topics that do not exist. Topics of results are never made.
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
    /// They are made, with as many partitions as the topic whose records they are for (the broker's own number if that
    /// one does not exist yet) and the broker's replication, and made again if somebody deletes them. Retry topics keep
    /// their records for at least a week, and twice their delay.
    #[default]
    Create,
    /// The app does not start: where topics are made by somebody else.
    Verify,
}

//! When dead letters are too many to be right.

/// When the dead letters of a partition are too many to be right: a bad deploy, or a dependency that is gone, and not bad
/// records. The next record is held then instead of being given up, until it can be handled or somebody decides.
///
/// By default 50 in a row, or 90 % of the last 200 records. The numbers are a choice, not a measurement: fifty different
/// records that are bad one after the other are hardly ever the records' fault, and a handler that fails for all takes
/// fifty records to be noticed, not a topic. Counted for each partition from its assignment on.
///
/// ```
/// use faststream::{DeadLetterGuard, GroupSettings};
///
/// let strict = GroupSettings::new().dead_letter_guard(DeadLetterGuard::new(10, 50, 100));
/// let off = GroupSettings::new().dead_letter_guard(None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterGuard {
    in_a_row: u32,
    percent: u32,
    of: u32,
}

impl Default for DeadLetterGuard {
    /// 50 in a row, or 90 % of the last 200.
    fn default() -> Self {
        Self::new(50, 90, 200)
    }
}

impl DeadLetterGuard {
    /// Too many are this many `in_a_row`, or this `percent` `of` the last records. More than 100 percent is never reached.
    /// A limit of 0, and more than 100,000 records to count, are refused at start.
    #[must_use]
    pub const fn new(in_a_row: u32, percent: u32, of: u32) -> Self {
        Self { in_a_row, percent, of }
    }

    /// How many in a row are too many.
    #[must_use]
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Which percentage is too many, of how many records.
    #[must_use]
    pub fn share(&self) -> (u32, u32) {
        (self.percent, self.of)
    }
}

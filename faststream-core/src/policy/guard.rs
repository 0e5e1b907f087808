//! How many dead letters a partition may write before the guard holds the next record.

/// How many dead letters a partition may write before the guard holds the next record. So many dead letters point to a
/// bad deploy or an unavailable dependency, and not to bad records. The held record waits until it can be handled or
/// somebody decides.
///
/// Defaults to 50 in a row, or 90 % of the last 200 records. The numbers are a choice, not a measurement. Fifty
/// different bad records in a row are hardly ever the records' fault, and a handler that fails for every record is
/// noticed after fifty records, not after a whole topic. Each partition counts from its assignment on.
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
    /// Returns the default limits: 50 in a row, or 90 % of the last 200 records.
    fn default() -> Self {
        Self::new(50, 90, 200)
    }
}

impl DeadLetterGuard {
    /// Returns a guard with these limits: `in_a_row` dead letters one after the other, or `percent` of the last `of`
    /// records. More than 100 percent is never reached. A limit of 0, and more than 100,000 records to count, are
    /// refused at startup.
    #[must_use]
    pub const fn new(in_a_row: u32, percent: u32, of: u32) -> Self {
        Self { in_a_row, percent, of }
    }

    /// Returns how many dead letters in a row are too many.
    #[must_use]
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Returns which percentage of dead letters is too many, and of how many records.
    #[must_use]
    pub fn share(&self) -> (u32, u32) {
        (self.percent, self.of)
    }
}

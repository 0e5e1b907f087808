//! Stores the finished prefix, for the committer.

/// The stored offset, and the commit that a call waits for.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// The next offset that was stored last.
    stored: Option<i64>,
    /// The last record that a call waits for to be committed, until its commit was requested.
    durable: Option<i64>,
    /// Whether the brake is on, and a commit was requested.
    pub(super) asked_commit: bool,
}

impl Store {
    pub(super) fn stored(&self) -> Option<i64> {
        self.stored
    }

    /// Records that a call waits until this record is committed. Returns true if a commit has to be requested now,
    /// because the record was stored before.
    pub(super) fn wait_for(&mut self, offset: i64) -> bool {
        let is_stored = self.stored.is_some_and(|stored| stored > offset);
        if !is_stored {
            self.durable = self.durable.max(Some(offset));
        }
        is_stored
    }

    /// Records the prefix. If it moved, returns its end, and whether a call waits until it is committed.
    pub(super) fn advance(&mut self, prefix: Option<i64>) -> Option<(i64, bool)> {
        let next = prefix.filter(|_| self.stored != prefix)?;
        self.stored = prefix;
        let is_waited_for = self.durable.is_some();
        self.durable = self.durable.filter(|offset| *offset >= next);
        Some((next, is_waited_for))
    }
}

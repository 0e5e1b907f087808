//! The finished prefix on its way to the committer.

/// What was stored, and what somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// The next offset that was stored last.
    stored: Option<i64>,
    /// The last record that somebody waits for to be durable, until its commit was asked for.
    durable: Option<i64>,
    /// The brake is on, and a commit was asked for.
    pub(super) asked_commit: bool,
}

impl Store {
    pub(super) fn stored(&self) -> Option<i64> {
        self.stored
    }

    /// Somebody waits until this record is durable. True if that has to be asked for now: it was stored before.
    pub(super) fn wait_for(&mut self, offset: i64) -> bool {
        let is_stored = self.stored.is_some_and(|stored| stored > offset);
        if !is_stored {
            self.durable = self.durable.max(Some(offset));
        }
        is_stored
    }

    /// Takes note of the prefix. Its end, and whether somebody waits until it is durable, if it moved.
    pub(super) fn advance(&mut self, prefix: Option<i64>) -> Option<(i64, bool)> {
        let next = prefix.filter(|_| self.stored != prefix)?;
        self.stored = prefix;
        let is_waited_for = self.durable.is_some();
        self.durable = self.durable.filter(|offset| *offset >= next);
        Some((next, is_waited_for))
    }
}

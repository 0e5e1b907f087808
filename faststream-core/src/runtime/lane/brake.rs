//! The brake: while commits fail, at most the limit is delivered beyond the last successful commit.

use super::LaneTask;
use super::entry::Entry;
use crate::context::LaneControl;
use crate::policy::GroupSettings;

impl LaneTask {
    /// Releases the records that the brake no longer stops. The brake may be on again already: one commit that advanced
    /// succeeded, and the next one was refused.
    pub(super) fn release_braked(&mut self) {
        if self.ready.has_braked() {
            let (control, settings) = (&self.scope.control, &self.scope.settings);
            self.ready.release(|offset| !(control.is_braked() && is_far_ahead(control, settings, offset)));
        }
    }

    /// Returns whether the record at this offset is beyond what is delivered while commits fail.
    pub(super) fn is_far_ahead(&self, offset: i64) -> bool {
        is_far_ahead(&self.scope.control, &self.scope.settings, offset)
    }

    /// Returns whether the brake is on, and no commit can release it: earlier records are not finished.
    pub(super) fn is_braked_for_good(&self) -> bool {
        self.scope.control.is_braked()
            && self.is_far_ahead(self.inbox.next())
            && !self.scope.control.offsets.is_dirty()
    }

    /// Returns whether the brake stops a record that waited, for example behind its key. A record that began before the
    /// brake may be retried, because that repeats no further records.
    pub(super) fn is_braked(&self, offset: i64) -> bool {
        let is_first = |entry: &Entry| entry.attempts_here() == 1 && entry.copies.is_none();
        self.scope.control.is_braked()
            && self.in_flight.get(offset).is_some_and(is_first)
            && self.is_far_ahead(offset)
    }
}

fn is_far_ahead(control: &LaneControl, settings: &GroupSettings, offset: i64) -> bool {
    let ahead = offset.saturating_sub(control.offsets.committed_offset());
    u64::try_from(ahead).is_ok_and(|ahead| ahead >= settings.max_uncommitted)
}

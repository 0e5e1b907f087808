//! Distinguishes a log that began again by itself from a restart that we requested from librdkafka.
//!
//! Both look the same to a lane: an offset below its position. After a restart, they are the same records. In
//! another log they are other records, which need a new lane.
//!
//! Pure functions, with a table of cases as tests.

/// A restart that we request from librdkafka: records before the position do not belong to another log then.
#[derive(Clone, Copy)]
pub(super) struct Replay {
    /// The offset from which records may be fetched again.
    from: i64,
    /// Whether the restart has begun: the next record is the first of those.
    has_begun: bool,
}

impl Replay {
    /// Returns the expectation of a restart at this offset, or at the earlier one of an expectation before.
    pub(super) fn expect(from: i64, before: Option<Self>) -> Self {
        let from = before.map_or(from, |before| before.from.min(from));
        Self { from, has_begun: false }
    }

    /// Records that librdkafka has accepted the restart.
    pub(super) fn begin(&mut self) {
        self.has_begun = true;
    }
}

/// Returns the first offset below what was handed out before, unless we requested a restart there: the rest of the old
/// log and the first records of the new one may be in one batch. One step back belongs to our restart; any later one is
/// another log.
pub(super) fn find_truncation(
    mut position: i64,
    replay: &mut Option<Replay>,
    offsets: impl Iterator<Item = i64>,
) -> Option<(usize, i64)> {
    for (index, offset) in offsets.enumerate() {
        if offset < position && replay.is_none_or(|replay| offset < replay.from) {
            return Some((index, offset));
        }
        *replay = replay.filter(|replay| !replay.has_begun);
        position = offset + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(mut replay: Option<Replay>, offsets: &[i64]) -> Option<(usize, i64)> {
        find_truncation(7, &mut replay, offsets.iter().copied())
    }

    #[test]
    fn a_log_that_began_again_is_found_wherever_it_is_in_a_batch() {
        assert_eq!(find(None, &[7, 8, 12]), None);
        assert_eq!(find(None, &[0, 1]), Some((0, 0)));
        assert_eq!(find(None, &[7, 8, 2, 3]), Some((2, 2)));
        assert_eq!(find(None, &[7, 12, 8]), Some((2, 8)));
    }

    #[test]
    fn what_we_made_to_begin_again_is_no_other_log_and_what_follows_is() {
        let begins = Some(Replay { from: 5, has_begun: false });
        assert_eq!(find(begins, &[7, 8, 5, 6, 7]), None, "it may happen at any moment");
        assert_eq!(find(begins, &[7, 8, 4, 5]), Some((2, 4)));
        let begun = Some(Replay { from: 5, has_begun: true });
        assert_eq!(find(begun, &[5, 6, 7]), None);
        assert_eq!(find(begun, &[4, 5]), Some((0, 4)));
        assert_eq!(find(begun, &[5, 6, 5]), Some((2, 5)), "once");
        assert_eq!(find(begun, &[7, 6]), Some((1, 6)), "nothing had been handed out twice");
        let mut replay = begun;
        assert_eq!(find_truncation(7, &mut replay, [7].into_iter()), None);
        assert!(replay.is_none(), "nor is it in the next batch");
    }
}

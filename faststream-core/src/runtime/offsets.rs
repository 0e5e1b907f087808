//! Which offset may be stored: the end of the longest finished prefix.
//!
//! Pure bookkeeping of one lane. It knows no broker and no clock. The lane's task owns it, without a lock, and
//! passes the prefix on once a turn (`offset_cell.rs`, `lane/store.rs`).
//!
//! At least once rests on this file: the stored offset never passes an unfinished record, in whatever order calls
//! end.

use std::collections::VecDeque;

/// The records of one lane that were handed out, from the first unfinished one on.
///
/// Offsets arrive in increasing order, with gaps (compaction, transaction markers). A gap is passed together with the
/// record before it: the stored offset is one past the last finished record, never "the next seen".
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    /// Handed out and not part of the prefix, in order. The front is never finished.
    open: VecDeque<Open>,
    /// One past the last record of the finished prefix.
    prefix: Option<i64>,
}

/// A record that was handed out.
#[derive(Debug)]
struct Open {
    /// Its record offset.
    offset: i64,
    /// Whether it is finished, and waits only for earlier ones.
    finished: bool,
}

impl Offsets {
    /// Records that a record is handed out. Call it before anything else sees the record. Costs no search.
    ///
    /// Returns false, and records nothing, if offsets do not increase: the broker repeated a record.
    pub(crate) fn begin(&mut self, offset: i64) -> bool {
        let last = self.open.back().map(|open| open.offset).or(self.prefix.map(|next| next - 1));
        if last.is_some_and(|last| last >= offset) {
            return false;
        }
        self.open.push_back(Open { offset, finished: false });
        true
    }

    /// Records that a record is finished. Returns false if it was not open: unknown, or finished before. The
    /// oldest costs no search, every other one a binary search.
    pub(crate) fn finish(&mut self, offset: i64) -> bool {
        // The usual case: the oldest ends first. Everything else costs a binary search.
        let index = match self.open.front() {
            Some(front) if front.offset == offset => 0,
            _ => match self.open.binary_search_by_key(&offset, |open| open.offset) {
                Ok(index) => index,
                Err(_) => return false,
            },
        };
        if std::mem::replace(&mut self.open[index].finished, true) {
            return false;
        }
        while let Some(Open { offset, finished: true }) = self.open.front() {
            self.prefix = Some(offset + 1);
            self.open.pop_front();
        }
        true
    }

    /// Returns the next offset that may be stored: one past the last record of the finished prefix. `None` if
    /// nothing is finished yet.
    pub(crate) fn prefix(&self) -> Option<i64> {
        self.prefix
    }

    /// Returns the oldest unfinished record, as a record offset; `None` if everything that was handed out is
    /// finished.
    pub(crate) fn oldest(&self) -> Option<i64> {
        self.open.front().map(|open| open.offset)
    }

    /// Returns how many records are remembered: from the oldest unfinished one to the last handed out.
    pub(crate) fn span(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_prefix_waits_for_the_oldest() {
        let mut offsets = Offsets::default();
        for offset in [3, 5, 9] {
            assert!(offsets.begin(offset));
        }
        assert!(offsets.finish(5) && offsets.finish(9));
        assert_eq!(offsets.prefix(), None);
        assert_eq!(offsets.span(), 3, "finished or not");
        assert!(offsets.finish(3));
        assert_eq!(offsets.prefix(), Some(10));
        assert!(!offsets.finish(3), "finished twice");
        assert!(!offsets.begin(9), "a repeated record");
        assert_eq!(offsets.span(), 0);
    }

    proptest! {
        /// Compares with the definition: the end of the longest run of finished records from the first one on.
        #[test]
        fn the_prefix_is_the_longest_finished_run(
            gaps in prop::collection::vec(1_i64..4, 1..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..200),
        ) {
            let all: Vec<i64> = gaps.iter().scan(-1, |last, gap| { *last += gap; Some(*last) }).collect();
            let mut offsets = Offsets::default();
            let mut finished = BTreeSet::new();
            let mut begun = 0;
            for index in order {
                // Begin and finish are interleaved: the index picks one of what is begun, or begins the next.
                let pick = index.index(begun + 1);
                if pick == begun && begun < all.len() {
                    prop_assert!(offsets.begin(all[begun]));
                    begun += 1;
                } else if let Some(offset) = all[..begun].get(pick) {
                    prop_assert_eq!(offsets.finish(*offset), finished.insert(*offset));
                }
                let run = all[..begun].iter().take_while(|offset| finished.contains(offset)).last();
                prop_assert_eq!(offsets.prefix(), run.map(|offset| offset + 1));
                let oldest = all[..begun].iter().find(|offset| !finished.contains(offset));
                prop_assert_eq!(offsets.oldest(), oldest.copied());
            }
        }
    }
}

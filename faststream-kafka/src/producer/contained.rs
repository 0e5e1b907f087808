//! A panic on the producer's thread ends only the operation that panicked. Without the thread, no receipt would ever be
//! answered, and no flush would end.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs an operation that must not end the thread. Returns whether it panicked.
pub(super) fn panics(what: impl FnOnce()) -> bool {
    let ended = catch_unwind(AssertUnwindSafe(what));
    // The panic hook has reported it. Its payload must not panic in turn.
    ended.map_err(std::mem::forget).is_err()
}

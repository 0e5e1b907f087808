//! Panics on the producer's thread end what panicked, and nothing else: without the thread, no receipt would ever be
//! answered, and no flush end.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does something that must not end the thread; whether it panicked.
pub(super) fn panics(what: impl FnOnce()) -> bool {
    let ended = catch_unwind(AssertUnwindSafe(what));
    // The panic hook has said it; its payload may not panic in turn.
    ended.map_err(std::mem::forget).is_err()
}

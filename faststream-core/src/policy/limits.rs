//! The limits of settings, checked once, when an app is checked.
//!
//! A setting that would stop a group, make it spin, exceed the clock's range or be ignored is refused. The message
//! names the setting and a valid value.

use std::time::Duration;

use super::{DeadLetterGuard, GroupSettings, Retry};

/// The client counts in milliseconds.
const LEAST: Duration = Duration::from_millis(1);
/// No rebalance, commit or retry in place waits longer.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// No call and no record in a retry topic waits longer.
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// The guard remembers at most this many records of a partition.
const LONGEST_GUARD: u32 = 100_000;

/// Returns what is wrong with the settings of groups, one sentence each.
pub(crate) fn group_faults(settings: &GroupSettings) -> Vec<String> {
    // Without `..`, so that a new setting has to be checked here, too.
    let GroupSettings {
        drain,
        commit_interval,
        max_uncommitted,
        max_in_flight,
        max_unconfirmed,
        handler_ttl,
        dead_letter_guard,
        provision: _,
    } = settings;
    let mut faults = Vec::new();
    for (name, is_zero, what) in [
        ("max_uncommitted", *max_uncommitted == 0, "no record would be handled while a commit fails"),
        ("max_in_flight", *max_in_flight == 0, "no record would be handled"),
        ("max_unconfirmed", *max_unconfirmed == 0, "no result could be published"),
    ] {
        if is_zero {
            faults.push(format!("`{name}` is 0, {what}: 1 is the least"));
        }
    }
    if !(LEAST..=DAY).contains(commit_interval) {
        faults.push(format!(
            "`commit_interval` is {commit_interval:?}: it can be {LEAST:?} to 24 h; for a commit after each record use \
             `commit = Each`"
        ));
    }
    faults.extend(drain_fault(*drain));
    if let Some(ttl) = handler_ttl
        && !(LEAST..=YEAR).contains(ttl)
    {
        faults.push(format!(
            "`handler_ttl` is {ttl:?}, so the app would be live never, or whatever happens: it can be {LEAST:?} to a year; \
             leave it out for no limit"
        ));
    }
    faults.extend(dead_letter_guard.and_then(guard_fault));
    faults
}

/// Returns what is wrong with a drain time. Zero is valid: running calls are cancelled at once.
pub(crate) fn drain_fault(drain: Duration) -> Option<String> {
    (drain > DAY).then(|| "`drain` is longer than 24 h: no rebalance waits for so long".to_owned())
}

/// Returns what is wrong with a `timeout`.
pub(crate) fn timeout_fault(timeout: Duration) -> Option<String> {
    if timeout.is_zero() {
        Some("`timeout` is zero, so every call would fail: set a longer one, or remove it".to_owned())
    } else {
        (timeout > YEAR)
            .then(|| "`timeout` is longer than a year: remove it, and calls have no limit".to_owned())
    }
}

/// Returns what is wrong with the delay of a retry topic.
pub(crate) fn delay_fault(delay: Duration) -> Option<String> {
    if delay.is_zero() {
        Some("a delay of zero would be a hot loop: use `attempts` for retries at once".to_owned())
    } else {
        (delay > YEAR).then(|| {
            "a delay is longer than a year: a topic does not keep its records for so long".to_owned()
        })
    }
}

/// Returns what is wrong with retries in place.
pub(crate) fn retry_faults(retry: &Retry) -> Vec<String> {
    let (attempts, first, longest) = retry.as_given();
    let mut faults = Vec::new();
    if attempts == 0 {
        faults.push("0 attempts would never call a handler: 1 means no retry".to_owned());
    }
    if first < LEAST {
        faults.push(format!("a first pause of {first:?} would be a hot loop: {LEAST:?} is the least"));
    }
    if first > longest {
        faults.push(format!(
            "the first pause ({first:?}) is longer than the longest ({longest:?}): write them the other way round"
        ));
    }
    if longest > DAY {
        faults.push(format!(
            "a pause of {longest:?} would hold up a partition for more than 24 h: use `retry(topics = [..])`"
        ));
    }
    faults
}

fn guard_fault(guard: DeadLetterGuard) -> Option<String> {
    let (percent, of) = guard.share();
    if guard.in_a_row() == 0 || percent == 0 || of == 0 {
        return Some(
            "`dead_letter_guard` has a limit of 0, so every dead letter would be too many: 1 is the least, and `None` switches \
             the guard off"
                .to_owned(),
        );
    }
    (of > LONGEST_GUARD).then(|| {
        format!("`dead_letter_guard` counts the last {of} records: it remembers {LONGEST_GUARD} of a partition at most")
    })
}

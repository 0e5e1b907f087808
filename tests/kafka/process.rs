//! What processes use, by Linux's account.

use std::fs;
use std::time::Duration;

fn entries(path: &str) -> usize {
    fs::read_dir(path).expect("Linux's account of this process").count()
}

pub(crate) fn threads() -> usize {
    entries("/proc/self/task")
}

pub(crate) fn files() -> usize {
    entries("/proc/self/fd")
}

/// Resident, in bytes.
pub(crate) fn memory() -> u64 {
    memory_of("self")
}

/// What another process has resident, in bytes.
pub(crate) fn memory_of(process: &str) -> u64 {
    memory_in(process, "VmRSS:")
}

/// What it has had resident at most.
pub(crate) fn peak_of(process: &str) -> u64 {
    memory_in(process, "VmHWM:")
}

fn memory_in(process: &str, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("Linux's account of it");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("its resident memory");
    let kilobytes = line.trim().trim_end_matches(" kB").trim();
    kilobytes.parse::<u64>().expect("a number") << 10
}

/// CPU time that a process has used, all threads, those that have ended, too.
pub(crate) fn cpu_of(process: &str) -> Duration {
    /// Linux tells CPU time in hundredths of a second.
    const TICKS: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // Behind the name, which may hold anything: the state is field 3, user and system time are 14 and 15.
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 1000 / TICKS)
}

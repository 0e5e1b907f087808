//! What processes use, by Linux's account.

use std::fs;

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
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("Linux's account of it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    let kilobytes = line.trim().trim_end_matches(" kB").trim();
    kilobytes.parse::<u64>().expect("a number") << 10
}

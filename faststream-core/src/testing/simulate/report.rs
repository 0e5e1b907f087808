//! The sums of a simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::faults::Fault;

/// The sums of a simulation over all its seeds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many steps they took.
    pub steps: u64,
    /// How many records were published, including results, retry copies and dead letters.
    pub records: u64,
    /// How many calls of handlers began.
    pub calls: u64,
    /// How often each fault was injected.
    pub faults: BTreeMap<Fault, u64>,
    /// How much virtual time passed, over all seeds.
    pub virtual_time: Duration,
    /// How much real time the simulation took.
    pub real_time: Duration,
    /// A hash of everything that happened. It differs if any run did: the same seeds, app and scenario have the
    /// same one.
    pub hash: u64,
}

impl Report {
    /// Adds a run that broke no promise.
    pub(super) fn add(&mut self, run: &super::run::Finished) {
        let model = run.checker.model();
        self.seeds += 1;
        self.steps += run.steps;
        self.records += model.records;
        self.calls += model.calls;
        for (fault, times) in &run.injected {
            *self.faults.entry(*fault).or_default() += times;
        }
        self.virtual_time += run.virtual_time;
        // A sum, so that the order in which threads complete their seeds does not matter.
        self.hash = self.hash.wrapping_add(model.timeline.hash());
    }

    /// Adds the sums of another thread.
    pub(super) fn merge(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.records += other.records;
        self.calls += other.calls;
        for (fault, times) in &other.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
        self.virtual_time += other.virtual_time;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        write!(
            f,
            "{} seeds, {} steps, {faults} faults, {} records, {} calls, {:.1} virtual hours in {:.1} s",
            self.seeds,
            self.steps,
            self.records,
            self.calls,
            self.virtual_time.as_secs_f64() / 3600.0,
            self.real_time.as_secs_f64()
        )
    }
}

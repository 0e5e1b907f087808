//! The part of a simulation that its author writes: which records arrive, which faults happen, and what must hold.

use std::fmt;
use std::sync::Arc;

use super::faults::Faults;
use super::random::Random;
use super::world::World;
use crate::publish::{EncodeError, IntoOutgoing};
use crate::record::Outgoing;

/// Makes a record from random numbers and its number in the run, from 1.
pub(super) type Make = Arc<dyn Fn(&mut Random, u64) -> Result<Outgoing, EncodeError> + Send + Sync>;
/// An action or a check. A check panics if something is wrong.
pub(super) type Look = Arc<dyn Fn(&World) + Send + Sync>;

/// What a simulation does: the records that arrive, the faults, and what must hold besides the promises.
///
/// A scenario is data: it is shared by all seeds, and its closures run on several threads at once. They see their
/// run only through [`World`].
///
/// ```
/// use faststream::Publish;
/// use faststream::testing::{Fault, Faults, Scenario};
///
/// let scenario = Scenario::new()
///     .records("orders", |random, n| Publish::new(n).key(random.below(4)))
///     .partitions("orders", 3)
///     .steps(40)
///     .action("an order of the shop", |world| world.publish("orders", Publish::new(0).key("shop")))
///     .faults(Faults::all().without(Fault::BrokenClient))
///     .check(|world| assert!(world.dead_letters("orders").is_empty()));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Scenario {
    /// The topics at which records arrive, with what makes them.
    pub(super) sources: Vec<(Arc<str>, Make)>,
    /// The number of partitions of topics that have a given one.
    pub(super) partitions: Vec<(String, i32)>,
    /// The number of steps of each run.
    pub(super) steps: u32,
    /// The faults that may be injected.
    pub(super) faults: Faults,
    /// The actions that may be taken at a step, with their names in the timeline.
    pub(super) actions: Vec<(String, Look)>,
    /// The checks after each step.
    pub(super) checks: Vec<Look>,
    /// The checks at the end of each run.
    pub(super) checks_at_end: Vec<Look>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self::new()
    }
}

impl Scenario {
    /// Returns a scenario with 40 steps, all faults, and no records yet.
    pub fn new() -> Self {
        Self {
            sources: Vec::new(),
            partitions: Vec::new(),
            steps: 40,
            faults: Faults::all(),
            actions: Vec::new(),
            checks: Vec::new(),
            checks_at_end: Vec::new(),
        }
    }

    /// Lets records arrive at this topic, some at a time. `make` gets random numbers and the record's number in
    /// the run, from 1, and returns a value (published as JSON) or a [`Publish`](crate::publish::Publish) with a
    /// key and headers.
    pub fn records<T: IntoOutgoing>(
        mut self,
        topic: &str,
        make: impl Fn(&mut Random, u64) -> T + Send + Sync + 'static,
    ) -> Self {
        let name: Arc<str> = topic.into();
        let topic = Arc::clone(&name);
        let make = move |random: &mut Random, number| make(random, number).into_outgoing(Arc::clone(&topic));
        self.sources.push((name, Arc::new(make)));
        self
    }

    /// Sets the number of a topic's partitions. Without it, topics at which records arrive have 1 to 4, by the
    /// seed.
    pub fn partitions(mut self, topic: &str, partitions: i32) -> Self {
        self.partitions.push((topic.to_owned(), partitions));
        self
    }

    /// Sets the number of steps. At each, records arrive, a fault is injected or an action is taken; then time
    /// passes.
    pub fn steps(mut self, steps: u32) -> Self {
        self.steps = steps;
        self
    }

    /// Sets which faults are injected. Defaults to all.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Adds an action that may be taken at any step, with its name in the timeline: a tombstone, a record that
    /// cannot be decoded, your own fault.
    pub fn action(mut self, name: &str, act: impl Fn(&World) + Send + Sync + 'static) -> Self {
        self.actions.push((name.to_owned(), Arc::new(act)));
        self
    }

    /// Adds a check that runs after every step. It panics (`assert!`) if something is wrong.
    pub fn check(mut self, check: impl Fn(&World) + Send + Sync + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Adds a check that runs at the end, when faults are off and everything has settled. It panics if something
    /// is wrong.
    pub fn check_at_end(mut self, check: impl Fn(&World) + Send + Sync + 'static) -> Self {
        self.checks_at_end.push(Arc::new(check));
        self
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics: Vec<_> = self.sources.iter().map(|(topic, _)| topic).collect();
        f.debug_struct("Scenario")
            .field("topics", &topics)
            .field("partitions", &self.partitions)
            .field("steps", &self.steps)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

//! What must have become of every record at the end, on its way through retry topics: of `apps::by_stages`.

use std::collections::BTreeSet;

use faststream::testing::{Scenario, World};

use crate::behaviour::Job;

/// At the source and in two retry topics, twice each.
const ATTEMPTS: u32 = 6;

/// The scenario, with this check at its end.
pub(crate) fn accounted(scenario: Scenario) -> Scenario {
    scenario.check_at_end(each_is_handled_or_given_up)
}

fn each_is_handled_or_given_up(world: &World) {
    let handled: BTreeSet<u64> = world.published::<Job>("out").all().iter().map(|job| job.id).collect();
    let letters = world.dead_letters("in");
    let mut offsets = std::collections::BTreeMap::<i32, i64>::new();
    for (partition, record) in world.records("in") {
        let next = offsets.entry(partition).or_default();
        let offset = *next;
        *next += 1;
        let job = record.payload.as_deref().and_then(|payload| serde_json::from_slice::<Job>(payload).ok());
        let mut letters =
            letters.iter().filter(|letter| (letter.partition, letter.offset) == (partition, offset));
        let is_due = job.is_none() || letters.clone().all(|letter| letter.attempts >= ATTEMPTS);
        assert!(is_due, "in/{partition}, offset {offset} was given up too soon");
        let is_handled = job.is_some_and(|job| handled.contains(&job.id));
        let is_held = world.held().iter().any(|held| {
            // In a later stage, its number there is another.
            *held.topic != *"in" || (held.partition == partition && held.offset <= offset)
        });
        let is_given_up = letters.next().is_some();
        assert!(is_handled || is_given_up || is_held, "in/{partition}, offset {offset} is lost");
    }
}

//! What handlers and hooks themselves see go wrong; told by the next check of the scenario.

use std::cell::RefCell;

use faststream::memory::MemoryBroker;
use faststream::testing::{Scenario, World};

thread_local! {
    /// Seeds run one after the other on a thread.
    static WRONG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static BROKER: RefCell<Option<MemoryBroker>> = const { RefCell::new(None) };
}

/// Something that must not be.
pub(crate) fn is_wrong(what: String) {
    WRONG.with_borrow_mut(|wrong| wrong.push(what));
}

/// The record is durable now. From the second step on, when the run's broker is known.
pub(crate) fn is_committed(partition: i32, offset: i64) {
    let Some(broker) = BROKER.with_borrow(Clone::clone) else { return };
    let committed = broker.committed("simulated", "in").get(&partition).copied();
    if committed.is_none_or(|next| next <= offset) {
        is_wrong(format!(
            "in/{partition}, offset {offset} is said to be durable: committed is {committed:?}"
        ));
    }
}

/// The scenario, with these checks.
pub(crate) fn watched(scenario: Scenario) -> Scenario {
    let look = |world: &World| {
        BROKER.set(Some(world.broker()));
        let wrong = WRONG.take();
        assert!(wrong.is_empty(), "{wrong:?}");
    };
    scenario.check(look).check_at_end(move |world| {
        look(world);
        BROKER.set(None);
    })
}

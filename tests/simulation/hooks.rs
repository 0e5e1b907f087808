//! Hooks of a group that take long, fail and panic, and what must hold all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use faststream::testing::random;
use faststream::{FastStream, Rebalance};

use crate::behaviour::Planned;
use crate::witness;

/// How often `on_assigned`, `on_revoked` and `on_lost` ran.
pub(crate) static RAN: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// The partitions of one instance: which are handled, and which may be.
#[derive(Debug, Default)]
pub(crate) struct Partitions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Their `on_assigned` has ended.
    ready: BTreeSet<i32>,
    /// Calls that run.
    calls: BTreeMap<i32, u32>,
}

/// Does something when it ends, however it ends.
pub(crate) struct AtEnd<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Partitions {
    /// A call runs until what is returned is dropped.
    pub(crate) fn call(&self, partition: i32) -> AtEnd<impl FnMut()> {
        if !self.known().ready.contains(&partition) {
            witness::is_wrong(format!("in/{partition} is handled before its `on_assigned` has ended"));
        }
        *self.known().calls.entry(partition).or_default() += 1;
        AtEnd(move || *self.known().calls.entry(partition).or_default() -= 1)
    }

    fn assigned(&self, places: &Rebalance) -> AtEnd<impl FnMut()> {
        AtEnd(|| self.known().ready.extend(places.partitions.iter().map(|place| place.partition)))
    }

    fn gone(&self, places: &Rebalance) {
        let gone = |known: i32| places.partitions.iter().any(|place| place.partition == known);
        self.known().ready.retain(|known| !gone(*known));
    }

    /// Nothing runs in partitions whose `on_revoked` begins.
    fn revoked(&self, places: &Rebalance) {
        for place in &places.partitions {
            let calls = self.known().calls.get(&place.partition).copied().unwrap_or_default();
            if calls > 0 {
                witness::is_wrong(format!("in/{}: {calls} calls run in `on_revoked`", place.partition));
            }
        }
        self.gone(places);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("nobody panics under the lock")
    }
}

/// The app with hooks of which each ends in its own way.
pub(crate) fn hooked(app: FastStream) -> FastStream {
    let partitions = Arc::new(Partitions::default());
    let (assigned, revoked, lost) =
        (Arc::clone(&partitions), Arc::clone(&partitions), Arc::clone(&partitions));
    app.state(partitions)
        .on_assigned(move |_hook, places| {
            RAN[0].fetch_add(1, Relaxed);
            let partitions = Arc::clone(&assigned);
            async move {
                let _ready = partitions.assigned(&places);
                end_somehow().await
            }
        })
        .on_revoked(move |_hook, places| {
            RAN[1].fetch_add(1, Relaxed);
            revoked.revoked(&places);
            end_somehow()
        })
        .on_lost(move |_hook, places| {
            RAN[2].fetch_add(1, Relaxed);
            lost.gone(&places);
            end_somehow()
        })
}

async fn end_somehow() -> Result<(), Planned> {
    let mut random = random();
    let most = match random.below(10) {
        0..5 => Duration::ZERO,
        5..8 => Duration::from_secs(1),
        8 => Duration::from_secs(10),
        // Longer than anybody waits for it.
        _ => Duration::from_secs(1_000),
    };
    tokio::time::sleep(random.duration(most)).await;
    assert!(!random.fails(0.1), "planned");
    if random.fails(0.2) { Err(Planned) } else { Ok(()) }
}

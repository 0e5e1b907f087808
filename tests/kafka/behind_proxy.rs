//! One broker behind a fault proxy, for all tests of this program: each takes a topic and a group of its own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use crate::broker::Kafka;
use crate::client::create_topic;
use crate::members::Group;
use crate::proxy::Proxy;
use faststream::kafka::Protocol;

/// A broker, reached by its proxy only.
pub(crate) struct BehindProxy {
    // Before the broker: it is cut off, then killed.
    pub(crate) proxy: Proxy,
    _kafka: Kafka,
}

impl BehindProxy {
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<BehindProxy>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = shared.upgrade() {
            return there;
        }
        let (listener, port) = Proxy::listen().expect("a port");
        let kafka = Kafka::start_advertising("behind-proxy", Some(port));
        let proxy = Proxy::start(listener, kafka.port).expect("a proxy");
        let there = Arc::new(Self { proxy, _kafka: kafka });
        *shared = Arc::downgrade(&there);
        there
    }

    /// A group with a topic of its own.
    pub(crate) fn group(&self, name: &str, protocol: Protocol, partitions: i32) -> Group {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{name}-{}", NUMBER.fetch_add(1, SeqCst));
        let group = Group::new(&self.proxy.address(), &name, protocol, partitions);
        create_topic(&group.brokers, &name, partitions);
        group
    }
}

/// Whether the tests are to be played in full: `FAULTS=all`.
pub(crate) fn in_full() -> bool {
    std::env::var("FAULTS").is_ok_and(|text| text == "all")
}

/// How many, or for how long: from the environment.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Plays all cells of a table, some at a time; the sentences of those that did not hold, in order.
pub(crate) fn play_all<C: Sync>(cells: &[C], play: impl Fn(&C) -> Result<String, String> + Sync) {
    play_so_many(4, cells, play);
}

/// The same, so many at a time.
pub(crate) fn play_so_many<C: Sync>(
    at_a_time: usize,
    cells: &[C],
    play: impl Fn(&C) -> Result<String, String> + Sync,
) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, SeqCst)) {
                    // Whatever comes of one cell, the others are played.
                    match catch_unwind(AssertUnwindSafe(|| play(cell)))
                        .unwrap_or_else(|panic| Err(said(&*panic)))
                    {
                        Ok(line) => println!("{line}"),
                        Err(line) => {
                            println!("{line}: DOES NOT HOLD");
                            failed.lock().expect("not poisoned").push(line);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("not poisoned");
    assert!(failed.is_empty(), "{} of {} cells: {failed:#?}", failed.len(), cells.len());
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

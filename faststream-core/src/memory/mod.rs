//! The in-memory broker: a real Kafka in miniature, in virtual time, with faults by name.
//!
//! Partitions with logs, Kafka's partitioner, groups that rebalance cooperatively, a committer on a timer. No files, no
//! sockets. The same calls make the same run.
//!
//! From below: `observer` names what happens, `cluster` is what a broker is, `client` is what a client of it does,
//! `agenda` runs what is due by the clock, and [`MemoryBroker`] is the handle: the contract, what a test can look at
//! (`inspect`) and the faults that it can ask for (`inject`).

mod agenda;
mod broker;
mod client;
mod cluster;
mod inject;
mod inspect;
mod observer;
#[cfg(test)]
mod tests;

pub use broker::MemoryBroker;
#[cfg(feature = "testing")]
pub(crate) use broker::STARTED;
pub use cluster::ExternalMember;
#[cfg(feature = "testing")]
pub(crate) use cluster::SESSION;
pub use observer::{BrokerEvent, BrokerObserver};

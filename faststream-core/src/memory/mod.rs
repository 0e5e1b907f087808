//! The in-memory broker: a Kafka cluster in miniature, in virtual time, with faults by name.
//!
//! It has partitions with logs, Kafka's partitioner, groups that rebalance cooperatively, and a committer on a
//! timer. It has no files, no sockets and no thread of its own: it lives in the memory of the process, and its
//! clock is tokio's. The same calls in the same order make the same run, which is what lets a simulation replay a
//! seed.
//!
//! The layers, from below:
//! 1. `observer` names the events of the broker, for a simulation that checks them.
//! 2. `cluster` is the broker: topics, logs, groups with their coordinator. It knows no client.
//! 3. `client` is what a Kafka client does for its program: it reads lanes, commits, publishes, and drives a
//!    member.
//! 4. `agenda` is the task that runs scheduled events when the clock reaches them.
//! 5. [`MemoryBroker`] is the handle. `broker` implements the contract, `inspect` is what a test can look at, and
//!    `inject` holds the faults that a test can ask for.
//!
//! How a record gets from a publish to a commit:
//! 1. The producer takes the lock of the cluster, chooses a partition, and appends to its log. The log wakes the
//!    lanes that wait for it.
//! 2. A lane copies shared pointers out of the log, without the lock of the cluster, and moves its position.
//! 3. The runtime stores the next offset in the lane's cell, which is one atomic write.
//! 4. The commit timer of the member (or `Command::CommitNow`) collects the stored offsets. The group accepts each
//!    one only from the current owner of the partition, and the member gets a report.
//!
//! What it leaves out, compared with Kafka: transactions, compaction, replication, quotas, the deletion of topics,
//! and fetch sizes. A member that crashed is removed after 6 s, and nothing has to be sent to stay a member.

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

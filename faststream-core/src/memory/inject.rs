//! The faults that a test injects, by name.
//!
//! Counted faults wait in `InjectedFaults` until a request hits them. A rebalance and a lost membership happen at
//! once. Faults apply to the app only: [`MemoryBroker::append`] always succeeds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cluster::{CommitFault, InjectedFaults, ScheduledEvent};
use super::{ExternalMember, MemoryBroker};
use crate::broker::CommitClass;

impl MemoryBroker {
    /// Makes the next `times` commits fail, after those that earlier faults apply to; 0 removes every fault of
    /// commits. `Stale` costs the membership, `Fatal` the client, as with Kafka.
    pub fn fail_commits(&self, class: CommitClass, times: u32) {
        self.fault_commits(CommitFault::Refused(class), times);
    }

    /// Makes the next `times` commits take this long, after those that earlier faults apply to. A commit that
    /// arrives when the partition has another owner is refused.
    pub fn delay_commits(&self, duration: Duration, times: u32) {
        self.fault_commits(CommitFault::Delayed(duration), times);
    }

    /// Makes the next `times` commits never arrive, after those that earlier faults apply to. No answer comes, and
    /// the client gives up after 10 s.
    pub fn lose_commits(&self, times: u32) {
        self.fault_commits(CommitFault::Lost, times);
    }

    /// Makes the next `times` offset fetches fail. Each is retried after 100 ms, and the lanes open only then.
    pub fn fail_offset_fetch(&self, times: u32) {
        self.shared().change(|state, _| state.faults.offset_fetches = times);
    }

    /// Makes the broker refuse the next `times` publishes of the app. A retry may help.
    pub fn fail_publishes(&self, times: u32) {
        self.shared().change(|state, _| state.faults.publishes = times);
    }

    /// Makes the broker refuse the next `times` publishes of the app to this topic. A retry may help.
    pub fn fail_publishes_to(&self, topic: &str, times: u32) {
        self.shared().change(|state, _| state.faults.publishes_to.insert(topic.to_owned(), times));
    }

    /// Makes the broker refuse to create this topic for an app that needs it, with this reason.
    pub fn refuse_topic(&self, topic: &str, reason: &str) {
        self.shared()
            .change(|state, _| state.faults.refused_topics.insert(topic.to_owned(), reason.to_owned()));
    }

    /// Makes the broker refuse the next `times` publishes of the app to this topic, as it refuses records that are
    /// too large: a retry cannot help.
    pub fn refuse_publishes_to(&self, topic: &str, times: u32) {
        self.shared().change(|state, _| state.faults.refusals_to.insert(topic.to_owned(), times));
    }

    /// Makes the broker refuse the next `times` publishes of the app to this topic, as without the permission to
    /// write to it: they succeed once somebody grants it. 0 removes what is left.
    pub fn deny_publishes_to(&self, topic: &str, times: u32) {
        self.shared().change(|state, _| state.faults.denials_to.insert(topic.to_owned(), times));
    }

    /// Delays everything that the app publishes for this time, starting now. The records arrive together then, in
    /// the order in which they were published.
    pub fn delay_publishes(&self, duration: Duration) {
        self.shared().change(|state, _| {
            let until = Instant::now() + duration;
            state.faults.publishes_after = Some(until);
            state.at(until, ScheduledEvent::Publishes);
        });
    }

    /// Makes the next `times` reads panic in the task that reads, as a bug in it would.
    pub fn break_reads(&self, times: u32) {
        self.shared().change(|state, shared| {
            state.faults.reads = times;
            shared.set_broken_reads(times > 0);
        });
    }

    /// Disconnects the broker for a while: nothing arrives or leaves. Reads and commits wait, and so do publishes.
    /// A later call replaces the end of an earlier one.
    pub fn disconnect(&self, duration: Duration) {
        self.shared().set_offline(true);
        self.shared().change(|state, _| {
            let until = Instant::now() + duration;
            state.faults.offline_until = Some(until);
            state.at(until, ScheduledEvent::Reconnect);
        });
    }

    /// Removes every fault that was not hit yet. A delay or a disconnection that has begun ends when it would
    /// have.
    pub fn heal(&self) {
        self.shared().change(|state, shared| {
            let kept = (state.faults.offline_until, state.faults.publishes_after);
            state.faults = InjectedFaults::default();
            (state.faults.offline_until, state.faults.publishes_after) = kept;
            shared.set_broken_reads(false);
        });
    }

    /// Makes every partition of the group change hands: each is revoked, and assigned again once the member has
    /// answered.
    pub fn rebalance(&self, group: &str) {
        self.shared().change(|state, shared| {
            let Some((name, found)) = state.groups.get_key_value(group) else { return };
            let name = Arc::clone(name);
            let mut lanes = BTreeMap::<_, Vec<_>>::new();
            for owner in found.owners.values().filter(|owner| !owner.revoking) {
                lanes.entry(owner.member).or_default().push(owner.epoch);
            }
            if let Some(group) = state.groups.get_mut(&name) {
                group.owners.values_mut().for_each(|owner| owner.revoking = true);
            }
            for (id, lanes) in lanes {
                state.notify_revoked(shared, &name, id, lanes, false);
            }
        });
    }

    /// Ends the memberships of the group's members. The members are notified afterwards, and join again. Members
    /// of other processes ([`ExternalMember`]) keep theirs.
    pub fn lose(&self, group: &str) {
        self.shared().change(|state, shared| {
            let Some((name, found)) = state.groups.get_key_value(group) else { return };
            let name = Arc::clone(name);
            let living = found.members.iter().filter(|(_, member)| member.alive && !member.external);
            for id in living.map(|(id, _)| *id).collect::<Vec<_>>() {
                state.lose(shared, &name, id);
            }
        });
    }

    /// Another member joins the group, of another process: it takes its share of the topics, and handles nothing.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let broker = MemoryBroker::new();
    /// broker.create_topic("orders", 2);
    /// let app = FastStream::new(broker.clone()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// // A member of another process takes its share of the partitions.
    /// let other = broker.join_external("billing", &["orders"]);
    /// app.advance(std::time::Duration::from_secs(10)).await;
    /// assert_eq!(other.partitions().len(), 1);
    /// # });
    /// ```
    #[must_use = "it leaves when it is dropped"]
    pub fn join_external(&self, group: &str, topics: &[&str]) -> ExternalMember {
        ExternalMember::join(Arc::clone(self.shared()), group, topics)
    }

    /// Returns whether a commit is delayed, lost, or about to fail. While one is, a simulation does not expect the
    /// committed offsets to reach the end.
    #[cfg(feature = "testing")]
    pub(crate) fn are_commits_disturbed(&self) -> bool {
        self.shared().look(|state| {
            let mut members = state.groups.values().flat_map(|group| group.members.values());
            let under_way = members.any(|member| member.alive && member.commit.is_some());
            under_way || !state.faults.commits.is_empty() || state.faults.offline_until.is_some()
        })
    }

    /// Adds a fault of commits behind those that were asked for before.
    fn fault_commits(&self, fault: CommitFault, times: u32) {
        self.shared().change(|state, _| state.faults.fail_commits(fault, times));
    }
}

//! Faults by name: what a test does to the broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cluster::{CommitFault, InjectedFaults, ScheduledEvent};
use super::{ExternalMember, MemoryBroker};
use crate::broker::CommitClass;

impl MemoryBroker {
    /// The next `times` commits fail, after those that earlier faults are for; 0 takes all of them back. `Stale` costs
    /// the membership, `Fatal` the client, as with Kafka.
    pub fn fail_commits(&self, class: CommitClass, times: u32) {
        self.fault_commits(CommitFault::Refused(class), times);
    }

    /// The next `times` commits take this long, after those that earlier faults are for. One that arrives when the
    /// partition has another owner is refused.
    pub fn delay_commits(&self, duration: Duration, times: u32) {
        self.fault_commits(CommitFault::Delayed(duration), times);
    }

    /// The next `times` commits never arrive, after those that earlier faults are for: no answer comes, and the client
    /// gives up after 10 s.
    pub fn lose_commits(&self, times: u32) {
        self.fault_commits(CommitFault::Lost, times);
    }

    /// The next `times` offset fetches fail; each is tried again after 100 ms.
    pub fn fail_offset_fetch(&self, times: u32) {
        self.shared().change(|state, _| state.faults.offset_fetches = times);
    }

    /// The next `times` publishes by the app are refused; trying again may help.
    pub fn fail_publishes(&self, times: u32) {
        self.shared().change(|state, _| state.faults.publishes = times);
    }

    /// The next `times` publishes by the app to this topic are refused; trying again may help.
    pub fn fail_publishes_to(&self, topic: &str, times: u32) {
        self.shared().change(|state, _| state.faults.publishes_to.insert(topic.to_owned(), times));
    }

    /// The topic is not made for an app that needs it, for this reason.
    pub fn refuse_topic(&self, topic: &str, reason: &str) {
        self.shared()
            .change(|state, _| state.faults.refused_topics.insert(topic.to_owned(), reason.to_owned()));
    }

    /// The next `times` publishes by the app to this topic are refused, as records are that are too large: trying again
    /// cannot help.
    pub fn refuse_publishes_to(&self, topic: &str, times: u32) {
        self.shared().change(|state, _| state.faults.refusals_to.insert(topic.to_owned(), times));
    }

    /// The next `times` publishes by the app to this topic are refused, as without the right to write to it: they pass
    /// once the right is given. 0 takes back what is left.
    pub fn deny_publishes_to(&self, topic: &str, times: u32) {
        self.shared().change(|state, _| state.faults.denials_to.insert(topic.to_owned(), times));
    }

    /// What the app publishes from now on arrives only after this time, in its order.
    pub fn delay_publishes(&self, duration: Duration) {
        self.shared().change(|state, _| {
            let until = Instant::now() + duration;
            state.faults.publishes_after = Some(until);
            state.at(until, ScheduledEvent::Publishes);
        });
    }

    /// The next `times` reads end the task that reads, as a bug in it would.
    pub fn break_reads(&self, times: u32) {
        self.shared().change(|state, shared| {
            state.faults.reads = times;
            shared.set_broken_reads(times > 0);
        });
    }

    /// Nothing arrives or leaves for a while.
    pub fn disconnect(&self, duration: Duration) {
        self.shared().set_offline(true);
        self.shared().change(|state, _| {
            let until = Instant::now() + duration;
            state.faults.offline_until = Some(until);
            state.at(until, ScheduledEvent::Reconnect);
        });
    }

    /// Takes back every fault that is still to come. What is delayed or disconnected already ends when it would have.
    pub fn heal(&self) {
        self.shared().change(|state, shared| {
            let kept = (state.faults.offline_until, state.faults.publishes_after);
            state.faults = InjectedFaults::default();
            (state.faults.offline_until, state.faults.publishes_after) = kept;
            shared.set_broken_reads(false);
        });
    }

    /// Every partition of the group changes hands: revoked, then assigned anew.
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

    /// The group's members lose their membership. They are notified afterwards, and join again.
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

    /// Whether a commit is late, lost, or about to fail.
    #[cfg(feature = "testing")]
    pub(crate) fn are_commits_disturbed(&self) -> bool {
        self.shared().look(|state| {
            let mut members = state.groups.values().flat_map(|group| group.members.values());
            let under_way = members.any(|member| member.alive && member.commit.is_some());
            under_way || !state.faults.commits.is_empty() || state.faults.offline_until.is_some()
        })
    }

    fn fault_commits(&self, fault: CommitFault, times: u32) {
        self.shared().change(|state, _| state.faults.fail_commits(fault, times));
    }
}

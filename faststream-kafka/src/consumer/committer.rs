//! Decides when to commit the stored offsets: at each interval, at once if a caller waits for it, and one commit
//! at a time.
//!
//! librdkafka resends an unanswered commit, with its old offsets. After a newer commit, that would set the group
//! back. So its own timer is off (`auto.commit.interval.ms=0`), and a commit waits for the result of the one
//! before, until that one cannot get a result any more. Only the offsets that partitions leave behind are
//! committed by librdkafka, when they are released or the group is left.
//!
//! A commit can cost the membership: a broker that refuses it with an illegal generation makes librdkafka join
//! again, and all records since the last successful commit are handled again. While that happens repeatedly, the
//! *gate* delays the next commit: closed until partitions are assigned again, and then for a pause that doubles
//! from 2 s to 30 s. The first successful commit opens it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use faststream_core::broker::{CommitClass, CommitReport};
use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaErrorCode;

use super::assignment::{self, StartAt};
use super::classify::classify;
use super::client::ConsumerClient;
use super::commit_pause::CommitPause;
use super::context::Committed;
use super::lane::LaneHandle;
use super::partitions::Partitions;
use crate::native::commit;

/// How often librdkafka sends a commit at most.
const TRIES: u32 = 3;
/// How long it waits between them, and for a coordinator: the default session of KIP-848.
const BETWEEN: Duration = Duration::from_secs(45);

/// When the next commit is sent, and what became of the last one. Owned by the control thread.
pub(super) struct Committer {
    /// How often the stored offsets are committed (`GroupRequest::commit_interval`).
    interval: Duration,
    /// A commit without a result after this long never gets one: three socket timeouts and 45 s, so 75 s by
    /// default. Until then no other commit is sent.
    given_up: Duration,
    /// When the next commit is due by the interval.
    next: Instant,
    /// Whether a call waits for its commit (`CommitNow`), which makes it due at once.
    is_wanted: bool,
    /// The commit without a result: when it was sent, and its offsets. A result belongs to it if it contains one
    /// of them.
    sent: Option<(Instant, Vec<StartAt>)>,
    /// Grows while commits cost the membership. Shared with the clients before and after this one.
    pause: Arc<CommitPause>,
    /// Whether the last commit was refused in a way that costs the membership.
    is_refused: bool,
    /// Whether a commit may be sent at all.
    gate: Gate,
}

/// Whether a commit may be sent after one has cost the membership.
enum Gate {
    /// The last commit did not cost the membership.
    Open,
    /// Not before partitions are assigned again. A commit of a client without a membership is refused.
    Lost,
    /// Partitions are assigned again; not before this moment, even if a call waits.
    Until(Instant),
}

impl Committer {
    /// Returns a committer. `pause` belongs to the group, because a client may be replaced because of such a
    /// commit. If the pause has begun, the gate starts closed.
    pub(super) fn new(interval: Duration, config: &ClientConfig, pause: Arc<CommitPause>) -> Self {
        let timeout = config.get("socket.timeout.ms").and_then(|text| text.parse().ok()).unwrap_or(60_000);
        let given_up = Duration::from_millis(timeout) * TRIES + BETWEEN;
        let gate = if pause.get().is_zero() { Gate::Open } else { Gate::Lost };
        let next = Instant::now() + interval;
        Self { interval, given_up, next, is_wanted: false, sent: None, pause, is_refused: false, gate }
    }

    /// Makes the next commit due, because a caller waits for it.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Returns whether a commit has no result yet. False again once it can get none.
    pub(super) fn is_busy(&self) -> bool {
        self.sent.as_ref().is_some_and(|(sent, _)| sent.elapsed() < self.given_up)
    }

    /// Returns the pause before a commit that may cost the membership again; zero if the last one did not.
    pub(super) fn pause(&self) -> Duration {
        self.pause.get()
    }

    /// Returns whether a call waits for a commit.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Returns whether to commit now: the gate is open, no commit is in flight, and the interval is over or a call
    /// waits.
    pub(super) fn is_due(&self) -> bool {
        let now = Instant::now();
        let may_be_sent = match self.gate {
            Gate::Open => true,
            Gate::Lost => false,
            Gate::Until(until) => now >= until,
        };
        may_be_sent && !self.is_busy() && (self.is_wanted || now >= self.next)
    }

    /// Returns how long until the next commit is due by the interval; zero if it is overdue.
    pub(super) fn rest(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Records that the membership was lost, or that the client had a fatal error. The pause grows only if the
    /// last commit was refused in a way that explains it.
    pub(super) fn lost(&mut self) {
        if std::mem::take(&mut self.is_refused) {
            self.pause.lengthen();
            self.gate = Gate::Lost;
        }
    }

    /// Records that partitions are assigned. A refused commit does the most harm to a member that `had_none`: it costs
    /// the new partitions, and the others wait for its session again. So its first commit comes one interval later,
    /// unless a caller waits.
    pub(super) fn assigned(&mut self, had_none: bool) {
        if had_none {
            self.next = Instant::now() + self.interval;
        }
        if matches!(self.gate, Gate::Lost) {
            self.gate = Gate::Until(Instant::now() + self.pause.get());
        }
    }

    /// Commits the offsets that the group does not have yet, in one request for all partitions. Returns at once:
    /// the result is an event. If there is nothing to commit, only the interval begins again.
    pub(super) fn commit(&mut self, client: &ConsumerClient, partitions: &Partitions) {
        (self.is_wanted, self.next) = (false, Instant::now() + self.interval);
        // Not left to librdkafka, which never commits a lower offset than an earlier one.
        let uncommitted = partitions.lanes().filter_map(|lane| Some((lane, lane.uncommitted()?)));
        let (lanes, offsets): (Vec<_>, Vec<StartAt>) =
            uncommitted.map(|(lane, next)| (lane, (lane.tp.clone(), Some(next)))).unzip();
        if offsets.is_empty() {
            return;
        }
        match send(client, &lanes, &offsets) {
            Ok(()) => self.sent = Some((Instant::now(), offsets)),
            Err(error) => client.context().errors.log("commit", format_args!("committing: {error}")),
        }
    }

    /// Handles a result: of this commit, or of one that librdkafka sent for released partitions. A successful
    /// result opens the gate, whoever sent the commit.
    pub(super) fn answered(&mut self, result: &[Committed]) {
        let is_ours = |offsets: &Vec<StartAt>| {
            result.iter().any(|one| offsets.contains(&(one.tp.clone(), Some(one.next))))
        };
        if result.is_empty() || self.sent.as_ref().is_some_and(|(_, offsets)| is_ours(offsets)) {
            self.sent = None;
        }
        if result.is_empty() {
            return;
        }
        // Each partition has its own result: one refusal of this kind costs the membership, whatever the others say.
        let class = |one: &Committed| one.error.map(|code| classify(code).class);
        let costs = |class| matches!(class, Some(CommitClass::Stale | CommitClass::Fatal));
        self.is_refused = result.iter().map(class).any(costs);
        if !self.is_refused && result.iter().any(|one| one.error.is_none()) {
            self.pause.end();
            self.gate = Gate::Open;
        }
    }
}

/// Sends a commit of these offsets, each with the topic of its lane beside it.
fn send(client: &ConsumerClient, lanes: &[&Arc<LaneHandle>], offsets: &[StartAt]) -> Result<(), String> {
    let list = assignment::list(offsets).map_err(|error| error.to_string())?;
    for (element, lane) in list.elements().iter_mut().zip(lanes) {
        if let Some(note) = lane.note(client) {
            element.set_metadata(note);
        }
    }
    commit(client.handle(), &list).map_err(|code| format!("{code:?}"))
}

/// Commits the offsets of lanes that are about to end, where they are lower than what the group had: the client commits
/// the others by itself, and never a lower one. It does not wait for the result.
pub(super) fn commit_set_back<'a>(client: &ConsumerClient, lanes: impl Iterator<Item = &'a Arc<LaneHandle>>) {
    let lower = lanes.filter_map(|lane| Some((lane, lane.set_back()?)));
    let (lanes, offsets): (Vec<_>, Vec<StartAt>) =
        lower.map(|(lane, next)| (lane, (lane.tp.clone(), Some(next)))).unzip();
    if offsets.is_empty() {
        return;
    }
    let sent = send(client, &lanes, &offsets);
    if let Err(error) = sent {
        client.context().errors.log("commit", format_args!("committing: {error}"));
    }
}

/// Returns the reports of commit results for their lanes, and records the successful ones there. Results for
/// partitions that were given away, and for offsets of a log that no longer exists, are dropped.
pub(super) fn reports(
    client: &ConsumerClient,
    partitions: &Partitions,
    committed: Vec<Committed>,
) -> Vec<CommitReport> {
    let report = |Committed { tp, next, error }| {
        let lane = partitions.committed_lane(&tp)?;
        if error == Some(RDKafkaErrorCode::OffsetMetadataTooLarge) {
            client.context().refuse_notes();
        }
        let result = error.map_or(Ok(()), |code| Err(classify(code)));
        if result.is_ok() {
            lane.committed(next);
        }
        // Of a log that no longer exists.
        if next > lane.stored() {
            return None;
        }
        Some(CommitReport { lane: lane.epoch, next, result })
    };
    committed.into_iter().filter_map(report).collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use faststream_core::TopicPartition;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(200);

    #[test]
    fn the_first_commit_comes_an_interval_after_the_first_partitions_unless_somebody_waits() {
        let mut committer = Committer::new(INTERVAL, &ClientConfig::new(), Arc::default());
        thread::sleep(INTERVAL);
        assert!(committer.is_due(), "it had nothing to commit for longer than that");
        committer.assigned(true);
        assert!(!committer.is_due());
        let later = Instant::now();
        thread::sleep(INTERVAL / 2);
        committer.assigned(false);
        while !committer.is_due() {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(
            later.elapsed() < INTERVAL * 5 / 4 + Duration::from_millis(500),
            "more partitions delay nothing"
        );
        committer.assigned(true);
        committer.want();
        assert!(committer.is_due());
    }

    #[test]
    fn one_refused_partition_among_others_costs_the_membership_whatever_their_order() {
        let one =
            |partition, error| Committed { tp: TopicPartition::new("orders", partition), next: 1, error };
        let refused = Some(RDKafkaErrorCode::IllegalGeneration);
        for result in [[one(0, None), one(1, refused)], [one(0, refused), one(1, None)]] {
            let pause = Arc::<CommitPause>::default();
            let mut committer = Committer::new(INTERVAL, &ClientConfig::new(), Arc::clone(&pause));
            committer.answered(&result);
            committer.lost();
            assert!(!pause.get().is_zero(), "{result:?}");
            committer.answered(&[one(0, None), one(1, None)]);
            assert!(pause.get().is_zero());
        }
    }
}

//! Commits: the offsets that members stored, checked against ownership when they arrive.
//!
//! The runtime stores a next offset in a lane's cell and does not wait. Three things commit what is stored:
//! 1. the timer of the member, every `commit_interval`, or `request` by `Command::CommitNow`;
//! 2. `last`, when lanes are about to be released: a revocation is answered, or the member closes;
//! 3. the answer to a request, if somebody asked again while it was in flight.
//!
//! One request of a member is in flight at a time. Without a fault it is answered at once, under the same lock. A
//! delayed or lost one stays in `MemberState::commit`, and the agenda calls `arrived` when its time is over. In
//! between the partition may change hands: `report` decides by the owner at arrival, not at departure, as a broker
//! does.
//!
//! A commit changes three things: `GroupState::committed`, at which the next lane of the partition starts;
//! `MemberLane::acked`, so that the same offset is not sent again; and the member, by `Event::Committed`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::TopicPartition;
use crate::broker::{CommitClass, CommitError, CommitReport, Epoch, Event};
use crate::memory::cluster::{
    ClusterState, CommitFault, CommitRequest, MemberId, ScheduledEvent, SharedCluster,
};
use crate::memory::observer::BrokerEvent;

/// How long a client waits for the answer to a commit before it gives up. The Kafka backend uses the same time for
/// its requests.
const REQUEST: Duration = Duration::from_secs(10);

/// Commits the stored offsets of a member. Called by its timer, and when the member asks.
///
/// While a request is in flight, exactly one more follows it, however often this is called. While the broker is
/// disconnected nothing is sent: the timer tries again. A refusal by a fault also has its consequence, see
/// `follow`.
pub(in crate::memory) fn request(
    state: &mut ClusterState,
    shared: &Arc<SharedCluster>,
    name: &Arc<str>,
    id: MemberId,
) {
    if state.faults.offline_until.is_some() {
        return;
    }
    let Some(member) = state.member(name, id) else { return };
    if let Some(commit) = &mut member.commit {
        commit.again = true;
        return;
    }
    let offsets = dirty(state, name, id, None);
    if offsets.is_empty() {
        return;
    }
    let fault = state.faults.commit();
    let after = match fault {
        None => return report(state, shared, name, id, offsets, None),
        Some(CommitFault::Refused(class)) => {
            report(state, shared, name, id, offsets, Some(&CommitFault::error(class)));
            return follow(state, shared, name, id, class);
        }
        Some(CommitFault::Delayed(duration)) => duration,
        Some(CommitFault::Lost) => REQUEST,
    };
    let number = state.number();
    let request = CommitRequest { number, offsets, lost: fault == Some(CommitFault::Lost), again: false };
    if let Some(member) = state.member(name, id) {
        member.commit = Some(request);
    }
    state.at(Instant::now() + after, ScheduledEvent::Commit(Arc::clone(name), id, number));
}

/// Handles the arrival of a request, or the moment when its client gives up on it. `number` identifies the
/// request: a member may have sent another one since.
///
/// A lost request fails as `CommitClass::Transient`, so that its offsets are committed again by the timer.
pub(in crate::memory) fn arrived(
    state: &mut ClusterState,
    shared: &Arc<SharedCluster>,
    name: &Arc<str>,
    id: MemberId,
    number: u64,
) {
    let Some(member) = state.member(name, id) else { return };
    let Some(CommitRequest { offsets, lost, again, .. }) =
        member.commit.take_if(|commit| commit.number == number)
    else {
        return;
    };
    let error = lost.then(|| CommitError {
        class: CommitClass::Transient,
        message: format!("not answered within {REQUEST:?}"),
    });
    report(state, shared, name, id, offsets, error.as_ref());
    if again {
        request(state, shared, name, id);
    }
}

/// Fences lanes that are about to be released, and commits what they stored. A request in flight no longer counts
/// for them.
///
/// The commit is part of the release: it takes no time even if a fault would delay it, and a refusal costs neither
/// membership nor client, because the lanes end anyway. A lost one has no report; the records are handled again by
/// the next owner.
pub(super) fn last(
    state: &mut ClusterState,
    shared: &Arc<SharedCluster>,
    name: &Arc<str>,
    id: MemberId,
    lanes: &[Epoch],
) {
    let Some(member) = state.member(name, id) else { return };
    for lane in lanes.iter().filter_map(|lane| member.lanes.get(lane)) {
        lane.cell.fence();
    }
    if let Some(commit) = &mut member.commit {
        commit.offsets.retain(|(lane, ..)| !lanes.contains(lane));
    }
    let offsets = dirty(state, name, id, Some(lanes));
    if offsets.is_empty() {
        return;
    }
    match state.faults.commit() {
        Some(CommitFault::Refused(class)) => {
            report(state, shared, name, id, offsets, Some(&CommitFault::error(class)));
        }
        Some(CommitFault::Lost) => {}
        Some(CommitFault::Delayed(_)) | None => report(state, shared, name, id, offsets, None),
    }
}

/// Returns the offsets that were stored and not confirmed yet: lane, partition and next offset. `lanes` limits
/// them to these lanes; `None` stands for all lanes of the member.
///
/// A fenced lane counts until it is released: what it stored before the fence still has to be committed.
fn dirty(
    state: &mut ClusterState,
    name: &Arc<str>,
    id: MemberId,
    lanes: Option<&[Epoch]>,
) -> Vec<(Epoch, TopicPartition, i64)> {
    let Some(member) = state.member(name, id) else { return Vec::new() };
    let asked = |epoch: &Epoch| lanes.is_none_or(|lanes| lanes.contains(epoch));
    let dirty = member.lanes.iter().filter(|(epoch, _)| asked(epoch)).filter_map(|(epoch, lane)| {
        let stored = lane.cell.stored().filter(|stored| *stored > lane.acked)?;
        Some((*epoch, lane.tp.clone(), stored))
    });
    dirty.collect()
}

/// Decides about each offset as the broker does, and reports the results to the member.
///
/// `refused` is the error of a fault and applies to all of them. Without one, an offset is accepted if this lane
/// still owns its partition, and refused as `CommitClass::Stale` otherwise. The observer sees each decision.
fn report(
    state: &mut ClusterState,
    shared: &Arc<SharedCluster>,
    name: &Arc<str>,
    id: MemberId,
    offsets: Vec<(Epoch, TopicPartition, i64)>,
    refused: Option<&CommitError>,
) {
    let Some(group) = state.groups.get_mut(name) else { return };
    let mut reports = Vec::new();
    for (lane, tp, next) in offsets {
        let owned = group.owners.get(&tp).is_some_and(|owner| owner.epoch == lane && owner.member == id);
        let result = match refused {
            Some(error) => Err(error.clone()),
            None if !owned => Err(CommitError {
                class: CommitClass::Stale,
                message: "the partition has another owner".into(),
            }),
            None => {
                group.committed.insert(tp, next);
                Ok(())
            }
        };
        if result.is_ok()
            && let Some(lane) = group.members.get_mut(&id).and_then(|member| member.lanes.get_mut(&lane))
        {
            lane.acked = next;
        }
        shared.observe(&BrokerEvent::Committed { lane, next, refused: result.as_ref().err() });
        reports.push(CommitReport { lane, next, result });
    }
    if let Some(member) = group.members.get(&id).filter(|_| !reports.is_empty()) {
        member.inbox.push(Event::Committed(reports));
    }
}

/// Applies the consequence of a refusal: `Stale` ends the membership, `Fatal` the client.
fn follow(
    state: &mut ClusterState,
    shared: &Arc<SharedCluster>,
    name: &Arc<str>,
    id: MemberId,
    class: CommitClass,
) {
    match class {
        CommitClass::Stale => state.lose(shared, name, id),
        CommitClass::Fatal => state.break_client(shared, name, id),
        CommitClass::Transient | CommitClass::Permanent => {}
    }
}

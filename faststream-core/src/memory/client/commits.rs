//! Commits: the offsets that members stored, checked against ownership when they arrive. One request of a member is in
//! flight at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::TopicPartition;
use crate::broker::{CommitClass, CommitError, CommitReport, Epoch, Event};
use crate::memory::cluster::{
    ClusterState, CommitFault, CommitRequest, MemberId, ScheduledEvent, SharedCluster,
};
use crate::memory::observer::BrokerEvent;

/// Until a client gives up on an answer.
const REQUEST: Duration = Duration::from_secs(10);

/// Commits what a member stored, by its timer or because it asked. While a request is in flight, another follows it.
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

/// A request arrives, or its client gives it up.
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

/// Fences lanes that are about to be released, and commits what they stored. A request in flight no longer counts for them.
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

/// Decides as the broker does, and reports the result to the member.
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

/// Applies what a refusal costs: the membership, or the client.
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

//! Commits: what members stored, checked against ownership when it arrives. One request of a member is under way at a
//! time, as in its client.

use crate::TopicPartition;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::faults::CommitFault;
use super::observer::BrokerEvent;
use super::state::{ClusterState, MemberId, ScheduledEvent};
use crate::broker::{CommitClass, CommitError, CommitReport, Epoch, Event};

/// Until a client gives up on an answer.
const REQUEST: Duration = Duration::from_secs(10);

/// Offsets on their way: lane, partition, next offset.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) number: u64,
    offsets: Vec<(Epoch, TopicPartition, i64)>,
    /// The broker will not see it.
    lost: bool,
    /// Another is to follow.
    again: bool,
}

/// By the timer, or because somebody asked: commits what is stored, unless a request is under way, which another
/// follows then.
pub(super) fn request(state: &mut ClusterState, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId) {
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
    let request = Request { number, offsets, lost: fault == Some(CommitFault::Lost), again: false };
    if let Some(member) = state.member(name, id) {
        member.commit = Some(request);
    }
    state.at(Instant::now() + after, ScheduledEvent::Commit(Arc::clone(name), id, number));
}

/// A request arrives, or is given up.
pub(super) fn arrived(
    state: &mut ClusterState,
    shared: &Arc<Shared>,
    name: &Arc<str>,
    id: MemberId,
    number: u64,
) {
    let Some(member) = state.member(name, id) else { return };
    let Some(Request { offsets, lost, again, .. }) = member.commit.take_if(|commit| commit.number == number)
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

/// With the answer to a revocation or the end: what these lanes stored. No request about them is under way any more.
pub(super) fn last(
    state: &mut ClusterState,
    shared: &Arc<Shared>,
    name: &Arc<str>,
    id: MemberId,
    lanes: &[Epoch],
) {
    let Some(member) = state.member(name, id) else { return };
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

/// The broker's decision, and its answer.
fn report(
    state: &mut ClusterState,
    shared: &Arc<Shared>,
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
        shared.tell(&BrokerEvent::Committed { lane, next, refused: result.as_ref().err() });
        reports.push(CommitReport { lane, next, result });
    }
    if let Some(member) = group.members.get(&id).filter(|_| !reports.is_empty()) {
        member.inbox.push(Event::Committed(reports));
    }
}

/// What a refusal brings along: the membership is lost, or the client is beyond repair.
fn follow(state: &mut ClusterState, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId, class: CommitClass) {
    match class {
        CommitClass::Stale => state.lose(shared, name, id),
        CommitClass::Fatal => state.break_client(shared, name, id),
        CommitClass::Transient | CommitClass::Permanent => {}
    }
}

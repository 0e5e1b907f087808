//! The commands of a member, as its client carries them out.

use std::sync::Arc;

use super::commits;
use crate::broker::{Command, Epoch};
use crate::memory::cluster::{ClusterState, MemberId, SharedCluster};
use crate::memory::observer::BrokerEvent;

/// Applies commands, in order.
pub(super) fn apply(shared: &Arc<SharedCluster>, group: &Arc<str>, id: MemberId, commands: &[Command]) {
    for command in commands {
        shared.change(|state, shared| match command {
            Command::Answer(revocation) => {
                let open = state.member(group, id).and_then(|member| member.open.get(revocation));
                let Some(lanes) = open.map(|(lanes, _)| lanes.clone()) else { return };
                commits::last(state, shared, group, id, &lanes);
                state.answer(shared, group, id, *revocation);
            }
            Command::CommitNow => commits::request(state, shared, group, id),
            Command::Reopen(lane) => state.reopen(shared, group, id, *lane),
            Command::Pause(lane) => set_paused(state, shared, group, id, *lane, true),
            Command::Resume(lane) => set_paused(state, shared, group, id, *lane, false),
            Command::Seek { lane, next } => {
                commits::last(state, shared, group, id, &[*lane]);
                state.seek(shared, group, id, *lane, *next);
            }
            Command::Subscribe { topic, start } => state.subscribe(shared, group, id, topic, *start),
            Command::Unsubscribe { topic } => state.unsubscribe(shared, group, id, topic),
            Command::Close => close(state, shared, group, id),
        });
    }
}

fn set_paused(
    state: &mut ClusterState,
    shared: &SharedCluster,
    group: &Arc<str>,
    id: MemberId,
    epoch: Epoch,
    is_paused: bool,
) {
    let Some(lane) = state.member(group, id).and_then(|member| member.lanes.get(&epoch)) else { return };
    lane.cell.set_paused(is_paused);
    let tp = lane.tp.clone();
    shared.observe(&if is_paused {
        BrokerEvent::Paused { lane: epoch }
    } else {
        BrokerEvent::Resumed { lane: epoch }
    });
    if let Some(log) = state.log(&tp).filter(|_| !is_paused) {
        log.wake();
    }
}

fn close(state: &mut ClusterState, shared: &Arc<SharedCluster>, group: &Arc<str>, id: MemberId) {
    let Some(member) = state.member(group, id) else { return };
    let lanes: Vec<_> = member.lanes.keys().copied().collect();
    commits::last(state, shared, group, id, &lanes);
    state.leave(shared, group, id);
}

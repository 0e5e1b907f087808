//! Commits: what members stored, checked against ownership when it arrives.

use std::sync::Arc;

use super::state::{MemberId, State};
use crate::broker::{CommitClass, CommitError, CommitReport, Epoch, Event};

/// Commits what these lanes stored (all, if `None`), and reports.
pub(super) fn commit(state: &mut State, name: &Arc<str>, id: MemberId, lanes: Option<&[Epoch]>) {
    let Some(member) = state.member(name, id) else { return };
    let asked = |epoch: &Epoch| lanes.is_none_or(|lanes| lanes.contains(epoch));
    let dirty = member.lanes.iter().filter(|(epoch, _)| asked(epoch)).filter_map(|(epoch, lane)| {
        let stored = lane.cell.stored().filter(|stored| *stored > lane.acked)?;
        Some((*epoch, lane.place.clone(), stored))
    });
    let dirty: Vec<_> = dirty.collect();
    if dirty.is_empty() {
        return;
    }
    let fault = state.faults.commit();
    let Some(group) = state.groups.get_mut(name) else { return };
    let mut reports = Vec::new();
    for (lane, place, next) in dirty {
        let owned = group.owners.get(&place).is_some_and(|owner| owner.epoch == lane && owner.member == id);
        let result = match &fault {
            Some(error) => Err(error.clone()),
            None if !owned => Err(CommitError {
                class: CommitClass::Stale,
                message: "the partition has another owner".into(),
            }),
            None => {
                group.committed.insert(place, next);
                Ok(())
            }
        };
        if result.is_ok()
            && let Some(lane) = group.members.get_mut(&id).and_then(|member| member.lanes.get_mut(&lane))
        {
            lane.acked = next;
        }
        reports.push(CommitReport { lane, next, result });
    }
    if let Some(member) = group.members.get(&id) {
        member.inbox.push(Event::Committed(reports));
    }
}

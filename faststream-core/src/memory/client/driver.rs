//! The task of a member: carries events to it, and applies its commands.

use std::sync::Arc;

use tokio::time::sleep_until;

use super::commits;
use super::lane::MemoryLane;
use crate::broker::{Command, Event, GroupMember, Lane};
use crate::memory::cluster::{ClusterState, InboxMessage, MemberId, MemberInbox, SharedCluster};
use crate::runtime::BusyGuard;

/// Drives a member to its end. Dropping this before the member is finished is a crash of it.
pub(in crate::memory) async fn drive(
    shared: Arc<SharedCluster>,
    group: Arc<str>,
    id: MemberId,
    inbox: Arc<MemberInbox>,
    mut member: Box<dyn GroupMember>,
) {
    let crashed = Crash { shared: Arc::clone(&shared), group: Arc::clone(&group), id };
    let (wake, crash) = (member.wake(), member.crash_token());
    let mut busy = BusyGuard::new(Arc::clone(&shared.idle));
    loop {
        busy.set(true);
        while let Some(message) = inbox.pop() {
            let commands = member.on(event(message));
            apply(&shared, &group, id, &commands);
        }
        let commands = member.turn();
        apply(&shared, &group, id, &commands);
        if member.is_finished() {
            break;
        }
        busy.set(false);
        tokio::select! {
            biased;
            () = crash.cancelled() => return drop(crashed),
            () = inbox.arrived.notified() => {}
            () = wake.notified() => {}
            () = sleep_until(member.deadline()) => {}
        }
    }
    // It left properly, or gave up waiting for the broker: the session ends it then.
}

/// Ends the session of a member that did not leave.
struct Crash {
    shared: Arc<SharedCluster>,
    group: Arc<str>,
    id: MemberId,
}

impl Drop for Crash {
    fn drop(&mut self) {
        self.shared.change(|state, shared| state.crashed(shared, &self.group, self.id));
    }
}

/// Makes the client's lanes of the partitions that the coordinator assigned.
fn event(message: InboxMessage) -> Event {
    match message {
        InboxMessage::Assigned(opened) => {
            let lanes = opened.into_iter().map(|lane| Box::new(MemoryLane::new(lane)) as Box<dyn Lane>);
            Event::Assigned(lanes.collect())
        }
        InboxMessage::Event(event) => event,
    }
}

fn apply(shared: &Arc<SharedCluster>, group: &Arc<str>, id: MemberId, commands: &[Command]) {
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
            Command::Close => close(state, shared, group, id),
        });
    }
}

fn close(state: &mut ClusterState, shared: &Arc<SharedCluster>, group: &Arc<str>, id: MemberId) {
    let Some(member) = state.member(group, id) else { return };
    let lanes: Vec<_> = member.lanes.keys().copied().collect();
    commits::last(state, shared, group, id, &lanes);
    state.leave(shared, group, id);
}

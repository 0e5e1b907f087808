//! The tasks behind the broker: one carries a member's events and commands, one acts by the clock.

use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep_until};

use super::committer;
use super::state::{MemberId, MemberInbox, ScheduledEvent};
use super::{Connection, Shared};
use crate::broker::{Command, GroupMember};
use crate::runtime::BusyGuard;

/// A member's own task. Ended before the member is finished, it is a crash.
pub(super) async fn drive(
    shared: Arc<Shared>,
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
        while let Some(event) = inbox.pop() {
            let commands = member.on(event);
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
    shared: Arc<Shared>,
    group: Arc<str>,
    id: MemberId,
}

impl Drop for Crash {
    fn drop(&mut self) {
        self.shared.change(|state, shared| state.crashed(shared, &self.group, self.id));
    }
}

fn apply(shared: &Arc<Shared>, group: &Arc<str>, id: MemberId, commands: &[Command]) {
    for command in commands {
        shared.change(|state, shared| match command {
            Command::Answer(revocation) => state.answer(shared, group, id, *revocation),
            Command::CommitNow => committer::request(state, shared, group, id),
            Command::Reopen(lane) => state.reopen(shared, group, id, *lane),
            Command::Close => state.leave(shared, group, id),
        });
    }
}

/// Acts on what is due, then sleeps until the next. Ends with the broker.
pub(super) async fn agenda(shared: Weak<Connection>, wake: Arc<tokio::sync::Notify>) {
    loop {
        let Some(connection) = shared.upgrade() else { return };
        let next = connection.0.change_by_clock(|state, shared| {
            while let Some(entry) = state.agenda.first_entry()
                && entry.key().0 <= Instant::now()
            {
                let due = entry.remove();
                act(state, shared, due);
            }
            state.agenda.first_key_value().map(|((when, _), _)| *when)
        });
        drop(connection);
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }
}

fn act(state: &mut super::state::ClusterState, shared: &Arc<Shared>, due: ScheduledEvent) {
    match due {
        ScheduledEvent::CommitTimer(group, id) => {
            let Some(member) = state.member(&group, id).filter(|member| member.alive) else { return };
            let interval = member.request.commit_interval;
            committer::request(state, shared, &group, id);
            state.at(Instant::now() + interval, ScheduledEvent::CommitTimer(group, id));
        }
        ScheduledEvent::Commit(group, id, number) => committer::arrived(state, shared, &group, id, number),
        ScheduledEvent::SessionExpired(group, id) => state.expire(shared, &group, id),
        ScheduledEvent::RevocationTimeout(group, id, revocation) => {
            let open = state.member(&group, id).is_some_and(|member| member.open.contains_key(&revocation));
            if open {
                state.lose(shared, &group, id);
            }
        }
        ScheduledEvent::Assign(group, id, lanes) => state.notify_assigned(shared, &group, id, lanes),
        ScheduledEvent::Reconnect => {
            // Disconnected again meanwhile: its own end follows.
            if state.faults.offline_until.is_some_and(|until| until > Instant::now()) {
                return;
            }
            state.faults.offline_until = None;
            shared.set_offline(false);
            shared.let_publishes_through(state);
            state.topics.values().flatten().for_each(|log| log.wake());
        }
        ScheduledEvent::Publishes => shared.let_publishes_through(state),
    }
}

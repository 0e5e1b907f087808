//! The task of a member: passes events to it, and applies its commands.
//!
//! One task for each member, spawned by `Broker::join`. It is the control thread of the contract: the methods of
//! the member run here and nowhere else. One turn of the loop:
//! 1. It takes the messages of the inbox one by one, and passes each to `GroupMember::on`.
//! 2. It applies the commands that follow from a message before it takes the next one, because a command may
//!    change what the coordinator sends.
//! 3. It calls `GroupMember::turn` once, for reports of lanes and for the clock.
//! 4. It sleeps until a message, a request of the member, or the member's deadline.
//!
//! The task counts as busy from step 1 to step 3, so that a test can wait until everything has settled. The lock
//! of the cluster is held for one command at a time, and never while the member runs.

use std::sync::Arc;

use tokio::time::sleep_until;

use super::commands::apply;
use super::lane::MemoryLane;
use crate::broker::{Event, GroupMember, Lane};
use crate::context::BusyGuard;
use crate::memory::cluster::{InboxMessage, MemberId, MemberInbox, SharedCluster};

/// Drives a member until it is finished. Dropping this future before that is a crash of the member.
///
/// It wakes up for a message in the inbox, when the member asks for a turn, at the member's deadline, and for its
/// crash token. The order of the branches is fixed (`biased`), so that a run repeats.
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
    // It left, or gave up waiting for the broker. In the second case its session has to expire.
}

/// Reports the crash of a member that did not leave: a dropped task, a crash token, or a close that took too long.
/// The coordinator removes it when its session expires. For a member that left, dropping this does nothing.
struct Crash {
    /// The cluster to report to.
    shared: Arc<SharedCluster>,
    /// The member's group.
    group: Arc<str>,
    /// The member's number.
    id: MemberId,
}

impl Drop for Crash {
    fn drop(&mut self) {
        self.shared.change(|state, shared| state.crashed(shared, &self.group, self.id));
    }
}

/// Turns a message of the coordinator into an event of the contract. A partition that the coordinator opened
/// becomes a lane of this client here.
fn event(message: InboxMessage) -> Event {
    match message {
        InboxMessage::Assigned(opened) => {
            let lanes = opened.into_iter().map(|lane| Box::new(MemoryLane::new(lane)) as Box<dyn Lane>);
            Event::Assigned(lanes.collect())
        }
        InboxMessage::Event(event) => event,
    }
}

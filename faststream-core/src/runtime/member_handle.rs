//! The app's handle to a member: requests go in, the status and the end come out.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::member_status::{AssignmentStatus, Ended, MemberStatus, UnconfirmedCopy};
use super::requests::{Refused, Request};
use super::status::{Notice, Shared};

/// How long health shows that records were deleted before they were handled.
const EXPIRED: Duration = Duration::from_secs(600);

/// The app's handle to a member.
#[derive(Debug, Clone)]
pub struct MemberHandle {
    shared: Arc<Shared>,
}

impl MemberHandle {
    /// Returns a handle of the member with this state.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Requests to drain, then to leave the group. Returns at once; [`ended`](Self::ended) waits for the end.
    pub fn shutdown(&self) {
        self.shared.notify(Notice::Shutdown);
    }

    /// Requests something of the member, and waits until its backend has the commands that follow from it.
    ///
    /// # Errors
    /// If it had no effect.
    pub(crate) async fn request(&self, request: Request) -> Result<(), Refused> {
        let (reply, result) = oneshot::channel();
        self.shared.notify(Notice::Request(request, reply));
        tokio::select! {
            biased;
            result = result => result.unwrap_or(Err(Refused::Ended)),
            _ = self.ended() => Err(Refused::Ended),
        }
    }

    /// Ends the membership as a crash would: nothing is drained, and nothing more is committed.
    pub fn crash(&self) {
        self.shared.crash.cancel();
        self.shared.wake.notify_one();
    }

    /// Waits for the end of the membership. Returns at once if it has ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        let known = ended.wait_for(Option::is_some).await;
        known.ok().and_then(|known| known.clone()).unwrap_or(Ended::Crashed)
    }

    /// Returns the current status.
    #[must_use]
    pub fn status(&self) -> MemberStatus {
        let turned = *self.shared.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let silent_for = self.shared.ended.borrow().is_none().then(|| turned.elapsed());
        let status = self.shared.status();
        let held = status.held.values().cloned().collect();
        let lost_for = status.lost_since.map(|since| since.elapsed());
        let standing = status.standing.len();
        let assignment = AssignmentStatus { lost_for, standing, ..status.known.assignment.clone() };
        let late = status.unconfirmed.values();
        let unconfirmed = late.map(|(since, copy)| UnconfirmedCopy { age: since.elapsed(), ..copy.clone() });
        let recent = status.expired.as_ref().filter(|(found, _)| found.elapsed() < EXPIRED);
        MemberStatus {
            held,
            silent_for,
            expired: recent.map(|(_, message)| message.clone()),
            unconfirmed: unconfirmed.collect(),
            assignment,
            ..status.known.clone()
        }
    }
}

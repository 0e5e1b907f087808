//! One membership of a group, kept alive: a client that fails is replaced after a pause.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::groups::GroupPlan;
use super::replacement::Replacement;
use super::shutdown::BEYOND_DRAIN;
use crate::TopicPartition;
use crate::broker::{Broker, BrokerError, Remedy, SeekTo};
use crate::context::Context;
use crate::log::{debug, warn};
use crate::runtime::{Ended, Member, MemberHandle, MemberStatus, Pauses, Refused, Request};

/// One membership: the parameters for joining, and its current client.
pub(super) struct Membership {
    pub(super) plan: Arc<GroupPlan>,
    broker: Arc<dyn Broker>,
    context: Arc<Context>,
    /// What the app has paused, whichever client reads.
    pauses: Pauses,
    present: Mutex<Present>,
}

struct Present {
    handle: MemberHandle,
    /// True between two clients, when nothing is read.
    broken: bool,
    /// How often the client was replaced.
    restarts: u64,
    /// Why the client was replaced the last time; empty before.
    why: String,
}

/// How a membership ended permanently.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MembershipEnd {
    Clean,
    /// One sentence for each cancelled call.
    DrainExceeded(Vec<String>),
    /// A fatal error: another client would fail in the same way, or there is no time for one.
    Fatal(String),
}

impl Membership {
    /// Joins the group. Returns at once.
    ///
    /// # Errors
    /// If the client library refuses the settings.
    pub(super) fn join(
        plan: Arc<GroupPlan>,
        broker: Arc<dyn Broker>,
        context: Arc<Context>,
    ) -> Result<Self, BrokerError> {
        let pauses = Pauses::default();
        let handle = new_member(&plan, &*broker, &context, &pauses)?;
        let present = Mutex::new(Present { handle, broken: false, restarts: 0, why: String::new() });
        Ok(Self { plan, broker, context, pauses, present })
    }

    /// Keeps the membership alive until `shutdown`, then drains and leaves.
    pub(super) async fn supervise(&self, shutdown: &CancellationToken) -> MembershipEnd {
        let mut replacement = Replacement::new();
        let mut was_assigned = false;
        loop {
            let joined = Instant::now();
            let (why, remedy) = match self.ended(shutdown).await {
                Ended::Clean if shutdown.is_cancelled() => return MembershipEnd::Clean,
                Ended::DrainExceeded { left } if shutdown.is_cancelled() => {
                    return MembershipEnd::DrainExceeded(left);
                }
                Ended::Fatal { message, remedy } => (message, remedy),
                Ended::Clean | Ended::DrainExceeded { .. } | Ended::Crashed => {
                    ("the membership ended by itself".to_owned(), Remedy::NewClient)
                }
            };
            was_assigned |= self.handle().status().assignment.was_assigned;
            let pause = replacement.after(Instant::now(), joined.elapsed(), was_assigned, remedy);
            let Some(pause) = pause.filter(|_| !shutdown.is_cancelled()) else {
                return MembershipEnd::Fatal(why);
            };
            if !self.replace(why, pause, &mut replacement, shutdown).await {
                return MembershipEnd::Clean;
            }
        }
    }

    /// Waits for the end of the current client; after `shutdown`, no longer than a shutdown may take.
    async fn ended(&self, shutdown: &CancellationToken) -> Ended {
        let handle = self.handle();
        tokio::select! {
            biased;
            ended = handle.ended() => return ended,
            () = shutdown.cancelled() => handle.shutdown(),
        }
        let longest = self.plan.settings.drain + BEYOND_DRAIN;
        timeout(longest, handle.ended()).await.unwrap_or_else(|_| {
            handle.crash();
            let group = &self.plan.request.group;
            let left = format!(
                "group {group} was not left within {longest:?}: its partitions move when its session ends"
            );
            Ended::DrainExceeded { left: vec![left] }
        })
    }

    /// Joins with new clients until one succeeds. Returns false if the app shuts down meanwhile.
    async fn replace(
        &self,
        mut why: String,
        mut pause: Duration,
        replacement: &mut Replacement,
        shutdown: &CancellationToken,
    ) -> bool {
        let group = &self.plan.request.group;
        {
            let mut present = self.present();
            (present.broken, present.why) = (true, why.clone());
        }
        loop {
            if replacement.is_logged(Instant::now(), &why) {
                let broker = self.broker.describe();
                warn!(%group, %broker, ?pause, "the client is beyond repair, a new one joins after a pause: {why}");
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return false,
                () = sleep(pause) => {}
            }
            match new_member(&self.plan, &*self.broker, &self.context, &self.pauses) {
                Ok(handle) => {
                    let mut present = self.present();
                    let restarts = present.restarts + 1;
                    *present = Present { handle, broken: false, restarts, why };
                    debug!(%group, restarts, "joins again");
                    return true;
                }
                Err(error) => {
                    why = format!("no new client: {error}");
                    pause = replacement.longer();
                }
            }
        }
    }

    /// Requests something of the current client's member. Between two clients, a pause is noted for the next one.
    pub(super) async fn request(&self, request: Request) -> Result<(), Refused> {
        loop {
            let (handle, restarts) = {
                let present = self.present();
                (present.handle.clone(), present.restarts)
            };
            let result = handle.request(request.clone()).await;
            if result != Err(Refused::Ended) {
                return result;
            }
            match &request {
                Request::Pause(target) if target.tp.is_none() => self.pauses.add(target.clone()),
                Request::Resume(target) => self.pauses.remove(target),
                Request::Pause(_) | Request::Seek { .. } => return Err(Refused::NotAssigned),
            }
            // A client that joined meanwhile may not have seen that.
            if self.present().restarts == restarts {
                return Ok(());
            }
        }
    }

    /// Returns where a lane of this partition begins after a seek.
    pub(super) async fn find_offset(&self, tp: &TopicPartition, to: SeekTo) -> Result<i64, BrokerError> {
        self.broker.find_offset(tp, to).await
    }

    /// Asks the current client to drain and to leave. The supervisor must already know that this is wanted.
    pub(super) fn shutdown(&self) {
        self.handle().shutdown();
    }

    /// Ends the membership as a crash would.
    pub(super) fn crash(&self) {
        self.handle().crash();
    }

    /// Returns the current status. Between two clients, nothing is assigned.
    pub(super) fn status(&self) -> MemberStatus {
        let present = self.present();
        if present.broken { MemberStatus::default() } else { present.handle.status() }
    }

    /// Returns how often the client was replaced, and why the last time.
    pub(super) fn restarts(&self) -> (u64, String) {
        let present = self.present();
        (present.restarts, present.why.clone())
    }

    fn handle(&self) -> MemberHandle {
        self.present().handle.clone()
    }

    fn present(&self) -> std::sync::MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_member(
    plan: &GroupPlan,
    broker: &dyn Broker,
    context: &Arc<Context>,
    pauses: &Pauses,
) -> Result<MemberHandle, BrokerError> {
    let (member, handle) = Member::new(
        Arc::clone(&plan.request.group),
        plan.subscribers.clone(),
        Arc::clone(context),
        plan.settings.clone(),
    );
    let member = member.with_hooks(Arc::clone(&plan.hooks)).with_pauses(pauses.clone());
    broker.join(plan.request.clone(), Box::new(member))?;
    Ok(handle)
}

//! Liveness and readiness of an app, as an orchestrator checks them.

use std::time::Duration;

use super::membership::Membership;
use crate::log::attempts;
use crate::policy::GroupSettings;
use crate::runtime::{DyingPartition, MemberStatus, StuckCall, UnconfirmedCopy};

/// How long commits may fail before the app is not ready.
const COMMITS_FAIL: Duration = Duration::from_secs(60);
/// How long a copy may stay unconfirmed before the app is not ready.
const COPIES_LATE: Duration = Duration::from_secs(60);
/// How long a lost membership may take to get an assignment again, beyond the drain time: others release first.
const REBALANCE: Duration = Duration::from_secs(5);
/// A partition whose task died this often in a row makes the app not ready.
const DEATHS: u32 = 5;
/// A client that is not polled for this long is dead, because it is polled 50 times a second.
const SILENT: Duration = Duration::from_secs(30);

/// Whether an app is live and ready, with reasons. A snapshot.
///
/// The app is live unless only a restart can help; unavailable brokers never make it not live. It is degraded when
/// something needs a person's attention, such as a held record, while everything else continues.
///
/// ```
/// use faststream::Health;
///
/// /// What a probe of an orchestrator is answered.
/// fn ready(health: &Health) -> (u16, String) {
///     (if health.ready { 200 } else { 503 }, health.reasons.join("\n"))
/// }
/// # assert_eq!(ready(&Health::default()), (503, String::new()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// False if only a restart can help.
    pub live: bool,
    /// False during startup and shutdown, until every group had its first assignment, while a group's assignment was
    /// lost and none came within its rebalance time (`drain` and 5 s), while all partitions of a group are held, while
    /// commits fail or copies are unconfirmed for over a minute, and while a partition's task dies again and again.
    pub ready: bool,
    /// True if the app works, but something needs attention.
    pub degraded: bool,
    /// The reasons why the app is not live, not ready or degraded, and what else whoever looks at it should know: what is
    /// paused, and how often a client was replaced.
    pub reasons: Vec<String>,
}

impl Health {
    /// Returns the health. `phase` is why the app as a whole is not ready.
    pub(super) fn of(phase: Option<&str>, memberships: &[Membership]) -> Self {
        let mut health = Self { live: true, ready: true, ..Self::default() };
        if let Some(reason) = phase {
            health.not_ready(reason.to_owned());
        }
        for membership in memberships {
            let group = &membership.plan.request.group;
            let (restarts, why) = membership.restarts();
            if restarts > 0 {
                let last =
                    format!("its client was replaced {restarts} times, the last time because of {why}");
                health.reasons.push(format!("group {group}: {last}"));
            }
            health.add(group, &membership.status(), &membership.plan.settings);
        }
        health
    }

    fn add(&mut self, group: &str, status: &MemberStatus, settings: &GroupSettings) {
        if !status.assignment.was_assigned {
            self.not_ready(format!("group {group}: no assignment yet"));
        } else if let Some(lost_for) = status.assignment.lost_for {
            self.degraded = true;
            let seconds = lost_for.as_secs();
            let reason = format!(
                "group {group}: its assignment was lost {seconds} s ago, and there is no new one yet"
            );
            if lost_for > settings.drain + REBALANCE {
                self.not_ready(reason);
            } else {
                self.reasons.push(reason);
            }
        }
        for problem in &status.problems {
            self.degraded = true;
            self.reasons.push(format!("group {group}: {problem}"));
        }
        // On purpose: nobody needs to do anything about it, so it is neither degraded nor not ready.
        for paused in &status.paused {
            let what = match (&paused.handler, &paused.topic_partition) {
                (Some(handler), None) => format!("{handler} is paused"),
                (Some(handler), Some(tp)) => format!("{handler} is paused in {tp}"),
                (None, None) => "all of its handlers are paused".to_owned(),
                (None, Some(tp)) => format!("{tp} is paused"),
            };
            let (here, s) = (paused.partitions, if paused.partitions == 1 { "" } else { "s" });
            self.reasons
                .push(format!("group {group}: {what} until it is resumed ({here} assigned partition{s})"));
        }
        for held in &status.held {
            self.degraded = true;
            self.reasons.push(format!(
                "group {group}: {} holds {}/{} at offset {} after {}: {}",
                held.handler,
                held.topic,
                held.partition,
                held.offset,
                attempts(held.attempts),
                held.error
            ));
        }
        // A record that holds only its key, or nothing, lets its partition continue until too many later records wait.
        if status.assignment.lanes > 0 && status.assignment.standing >= status.assignment.lanes {
            self.not_ready(format!("group {group}: all {} partitions are held", status.assignment.lanes));
        } else if status.assignment.standing > 0 {
            self.degraded = true;
            let (standing, lanes) = (status.assignment.standing, status.assignment.lanes);
            self.reasons.push(format!("group {group}: {standing} of {lanes} partitions stand still"));
        }
        for dying in &status.dying {
            let DyingPartition { handler, topic, partition, deaths, .. } = dying;
            let at = dying.offset.map_or_else(String::new, |offset| format!(", at offset {offset}"));
            let reason = format!(
                "group {group}: the task of {topic}/{partition} died {deaths} times in a row ({handler}{at}); it is opened \
                 again after a pause, and the record it died at has failed an attempt"
            );
            self.degraded = true;
            if *deaths >= DEATHS { self.not_ready(reason) } else { self.reasons.push(reason) }
        }
        if let Some(expired) = &status.expired {
            self.degraded = true;
            self.reasons.push(format!("group {group}: {expired}"));
        }
        self.add_commits(group, status);
        for copy in &status.unconfirmed {
            self.add_unconfirmed(group, copy);
        }
        for stuck in &status.stuck {
            self.add_stuck(group, stuck, settings.handler_ttl);
        }
        if let Some(silent) = status.silent_for.filter(|silent| *silent > SILENT) {
            self.live = false;
            self.reasons.push(format!("group {group}: nobody has polled its client for {silent:?}"));
        }
    }

    fn add_commits(&mut self, group: &str, status: &MemberStatus) {
        let for_long = status.commits.dirty_for > COMMITS_FAIL;
        let why = status.commits.error.clone().or(for_long.then(|| "the broker does not answer them".into()));
        let Some(why) = why else { return };
        self.degraded = true;
        let (failed, dirty) = (status.commits.failures, status.commits.dirty_for.as_secs());
        let reason = format!(
            "group {group}: commits fail ({failed} so far, for {dirty} s nothing became durable): {why}"
        );
        if for_long { self.not_ready(reason) } else { self.reasons.push(reason) }
    }

    fn add_unconfirmed(&mut self, group: &str, copy: &UnconfirmedCopy) {
        let UnconfirmedCopy { handler, topic, partition, offset, to, .. } = copy;
        self.degraded = true;
        let why = copy.error.as_deref().unwrap_or("the broker has not answered");
        let reason = format!(
            "group {group}: what {handler} leaves of {topic}/{partition} at offset {offset} is not published to {to} for              {} s: {why}",
            copy.age.as_secs()
        );
        if copy.age > COPIES_LATE { self.not_ready(reason) } else { self.reasons.push(reason) }
    }

    fn add_stuck(&mut self, group: &str, stuck: &StuckCall, ttl: Option<Duration>) {
        let StuckCall { handler, topic, partition, age, .. } = stuck;
        let too_old = ttl.is_some_and(|ttl| *age >= ttl);
        if !stuck.blocking && !too_old {
            return;
        }
        self.degraded = true;
        self.live &= !too_old;
        let offset = stuck.offset.map_or_else(String::new, |offset| format!(" at offset {offset}"));
        let how = if stuck.blocking { "has blocked a thread" } else { "has been running" };
        let cure = match (stuck.blocking, too_old) {
            (_, true) => "older than `handler_ttl`",
            (true, false) => {
                "other partitions may wait for that thread: make it a plain `fn`, or do not block"
            }
            (false, false) => "it goes on",
        };
        self.reasons.push(format!(
            "group {group}: {handler} {how} for {} s with {topic}/{partition}{offset}: {cure}",
            age.as_secs()
        ));
    }

    fn not_ready(&mut self, reason: String) {
        self.ready = false;
        self.reasons.push(reason);
    }
}

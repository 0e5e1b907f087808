//! Whether a client is in its group, according to its log, and the message while it is not.
//!
//! Brokers refuse members whose protocol does not match the others', and librdkafka retries forever without
//! logging it.
//!
//! The callbacks write the state (`context.rs`), the search for topics adds what the group waits for, and
//! `problems.rs` turns the state into a message. The message compares what this member requests with what the
//! other members have, because waiting does not fix a mismatch of the two.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a client may be outside its group before that is logged. A classic rebalance usually takes less,
/// unless a member crashed: then the others wait for its session, 15 s by default.
pub(super) const SAID: Duration = Duration::from_secs(10);
/// An answer within this time after a freeze may be from before the freeze: the broker had sent it, and it waited
/// in the socket.
const BEFORE: Duration = Duration::from_millis(100);

/// The state of a client's membership, from its log. Written on the control thread and on the thread that searches
/// for topics.
pub(super) struct Joining(Mutex<JoinState>);

/// The state itself, under the lock of `Joining`.
struct JoinState {
    /// Since when it tries to join; `None` while it is in the group. A new client begins outside.
    outside_since: Option<Instant>,
    /// Why it was refused the last time: the code and text of an error from a poll. Cleared by a successful join.
    refusal: Option<String>,
    /// The topics that it waits for, as one sentence, if none of its topics exists. There is nothing to join for
    /// then.
    awaited: Option<String>,
    /// When the last two heartbeats were answered, the older one first. Only KIP-848 heartbeats appear in the log,
    /// so both stay `None` in a classic group.
    answered: [Option<Instant>; 2],
}

impl Default for Joining {
    fn default() -> Self {
        Self(Mutex::new(JoinState {
            outside_since: Some(Instant::now()),
            refusal: None,
            awaited: None,
            answered: [None; 2],
        }))
    }
}

impl Joining {
    /// Records librdkafka's name of the join state. The first four mean that the client has no assignment yet, and
    /// is on its way to one. In every other state it is a member, perhaps with an answer to give.
    pub(super) fn is_now(&self, state: &str) {
        let mut known = self.state();
        if matches!(state, "init" | "wait-join" | "wait-metadata" | "wait-sync") {
            known.outside_since.get_or_insert_with(Instant::now);
        } else {
            (known.outside_since, known.refusal) = (None, None);
        }
    }

    /// Records an error of the group as the reason why the client is not in it. It matters only while the client
    /// is outside.
    pub(super) fn refused(&self, reason: String) {
        self.state().refusal = Some(reason);
    }

    /// Records the topics that it waits for: none of its topics exists, so there is nothing to join for. `None` if one
    /// exists.
    pub(super) fn awaits(&self, topics: Option<String>) {
        let mut known = self.state();
        if topics.is_none() && known.awaited.is_some() && known.outside_since.is_some() {
            // It could not join before.
            known.outside_since = Some(Instant::now());
        }
        known.awaited = topics;
    }

    /// Returns the topics that it waits for, if none of its topics exists.
    pub(super) fn awaited(&self) -> Option<String> {
        self.state().awaited.clone()
    }

    /// Records that a KIP-848 heartbeat was answered: it is a member.
    pub(super) fn answered(&self) {
        let mut known = self.state();
        known.answered = [known.answered[1], Some(Instant::now())];
    }

    /// Returns whether the broker has certainly confirmed the membership since then. One answer more than 0.1 s
    /// later is enough. Two answers at any time since then are enough, too, because only one heartbeat is in
    /// flight at a time.
    pub(super) fn is_confirmed_since(&self, since: Instant) -> bool {
        let [before, last] = self.state().answered;
        before.is_some_and(|at| at > since) || last.is_some_and(|at| at > since + BEFORE)
    }

    /// Returns how long it has been outside, and why it was refused the last time; `None` while it is in the
    /// group.
    pub(super) fn outside(&self) -> Option<(Duration, Option<String>)> {
        let known = self.state();
        Some((known.outside_since?.elapsed(), known.refusal.clone()))
    }

    fn state(&self) -> MutexGuard<'_, JoinState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The assignment method that a member requests, in librdkafka's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// KIP-848: the broker assigns.
    Broker,
    /// The assignors of the classic protocol, as in `partition.assignment.strategy`: names, separated by commas.
    Assignors(String),
}

/// The other members of the group, as its coordinator describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Others {
    /// How many members the group has.
    pub(super) members: usize,
    /// The assignor; empty if none was agreed on, and in KIP-848 groups.
    pub(super) assignor: String,
}

/// Returns a message about a member that is not in its group, with the fix. `others` is the coordinator's
/// description of the group, or why there is none.
pub(super) fn message(
    outside: Duration,
    wanted: &Wanted,
    refusal: Option<&str>,
    others: Result<&Others, &str>,
) -> String {
    let seconds = outside.as_secs();
    let mine = match wanted {
        Wanted::Broker => "group.protocol=consumer (KIP-848)".to_owned(),
        Wanted::Assignors(names) => format!("partition.assignment.strategy={names}"),
    };
    let refused = refusal.map_or_else(String::new, |reason| format!(", refused: {reason}"));
    let head = format!("not in the group for {seconds} s{refused}; it comes with {mine}");
    let others = match others {
        Ok(others) => others,
        Err(why) => return format!("{head}; the group's coordinator says nothing of the others: {why}"),
    };
    let Others { members, assignor } = others;
    if *members > 0 && !assignor.is_empty() && !fits(wanted, assignor) {
        return format!(
            "{head}, and the group has {members} members with {assignor}: these do not mix. Stop all members with {assignor}, and \
             it joins (guide: changing the protocol)"
        );
    }
    if refusal.is_some_and(|reason| reason.contains("InconsistentGroupProtocol")) {
        return format!(
            "{head}, which does not mix with what the members in the group have. Stop all of those, and it joins (guide: \
             changing the protocol)"
        );
    }
    format!(
        "{head}; the group has {members} members of the classic kind. It joins when they have given back what they have to, when the \
         session of one that crashed is over, or when a topic that it reads is there"
    )
}

/// Returns a message about a member that is not in its group because there is nothing to read.
pub(super) fn nothing_to_read(outside: Duration, awaited: &str) -> String {
    format!("not in the group for {} s: it has no topic to read yet: {awaited}", outside.as_secs())
}

/// Returns whether a member can join others with this assignor. Kafka refuses a member that has no assignor in
/// common with the others (`InconsistentGroupProtocol`).
fn fits(wanted: &Wanted, assignor: &str) -> bool {
    match wanted {
        // Brokers convert groups online if their members keep no data of their own in their subscription.
        Wanted::Broker => !assignor.contains("sticky"),
        Wanted::Assignors(names) => names.split(',').any(|name| name.trim() == assignor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(14);

    fn others(members: usize, assignor: &str) -> Others {
        Others { members, assignor: assignor.to_owned() }
    }

    #[test]
    fn members_whose_protocols_do_not_mix_are_told_which_to_stop() {
        let range = Wanted::Assignors("range".into());
        let cases = [
            (&Wanted::Broker, "cooperative-sticky", true),
            (&Wanted::Broker, "range", false),
            (&range, "cooperative-sticky", true),
            (&range, "range", false),
            (&range, "", false),
        ];
        for (wanted, assignor, is_told) in cases {
            let said = message(TIME, wanted, None, Ok(&others(2, assignor)));
            assert!(said.starts_with("not in the group for 14 s"), "{said}");
            assert_eq!(said.contains("Stop all members with"), is_told, "{said}");
        }
        let said = message(TIME, &range, Some("InconsistentGroupProtocol: .."), Ok(&others(0, "")));
        assert!(said.contains("does not mix with what the members in the group have"), "{said}");
        let said = message(TIME, &Wanted::Broker, None, Err("timed out"));
        assert!(said.ends_with("says nothing of the others: timed out"), "{said}");
    }

    #[test]
    fn the_time_without_a_topic_does_not_count_as_outside_once_there_is_one() {
        let joining = Joining::default();
        joining.state().outside_since = Instant::now().checked_sub(TIME);
        joining.awaits(Some("`orders` does not exist".into()));
        assert!(joining.outside().is_some_and(|(outside, _)| outside >= TIME));
        let said = nothing_to_read(TIME, &joining.awaited().expect("it waits"));
        assert_eq!(said, "not in the group for 14 s: it has no topic to read yet: `orders` does not exist");
        joining.awaits(None);
        assert!(joining.outside().is_some_and(|(outside, _)| outside < TIME) && joining.awaited().is_none());
    }

    #[test]
    fn an_answer_right_after_a_freeze_is_no_proof_and_two_are() {
        let joining = Joining::default();
        let thawed = Instant::now();
        assert!(!joining.is_confirmed_since(thawed));
        joining.answered();
        assert!(!joining.is_confirmed_since(thawed), "it may be from before");
        joining.answered();
        assert!(joining.is_confirmed_since(thawed));
    }

    #[test]
    fn a_member_is_outside_until_it_is_in_the_group() {
        let joining = Joining::default();
        joining.refused("denied".into());
        joining.is_now("wait-join");
        assert_eq!(joining.outside().and_then(|(_, why)| why), Some("denied".into()));
        joining.is_now("steady");
        assert_eq!(joining.outside(), None);
        joining.is_now("wait-unassign-call");
        assert_eq!(joining.outside(), None, "that waits for us");
        joining.is_now("init");
        assert!(joining.outside().is_some());
    }
}

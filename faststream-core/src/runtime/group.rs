//! The group's state machine: inputs and a clock in, outputs out. No I/O, no task, no lock.
//!
//! It decides which lanes start, which drain and until when, when a revocation is answered, and when the consumer
//! is closed. It never sees a record. `Member` owns it, passes every event of the backend to it, and applies its
//! outputs; because it is pure, its tests need no broker and no waiting.
//!
//! The membership:
//!
//! ```text
//!            Shutdown                  all lanes ended, all answers sent, hook ended
//!   Running ──────────► Draining ───────────────────────────────────────────► Closing ──► Finished
//!      │                    │                                                     ▲   Closed, or 12 s
//!      └────────────────────┴──────────────────── Fatal ──────────────────────────┘
//! ```
//!
//! A lane: `Active` until it is revoked or the app shuts down, then `Draining` until its task has ended or its
//! time is over, when it is fenced. A lane whose task dies by itself is `Dead` for a pause, and is then opened
//! again.
//!
//! A revocation is answered once (1) each of its lanes has ended or was fenced, (2) its hook has ended or its time
//! is over, and (3) all earlier revocations were answered. So its answer takes at most the longest drain time of
//! its lanes and of earlier revocations, whatever handlers and hooks do.

mod hook_state;
mod messages;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use self::hook_state::HookState;
pub(super) use self::messages::{Action, Input};
use crate::broker::{Epoch, RevocationId};
use crate::policy::Backoff;

/// The drain time of lost lanes. Another member may own the partition already, so it is short. It lets calls end
/// that are about to.
const DRAIN_LOST: Duration = Duration::from_millis(200);
/// How long the backend may take to leave the group, if it does not give up by itself. The backends of this
/// project give up earlier.
const CLOSE: Duration = Duration::from_secs(12);
/// The pause before a lane that died is opened again. Each death in a row doubles it, so that a record that kills
/// its task does not occupy a core.
const REOPEN: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
/// After this long without a death, the next one counts as the first again.
const REOPEN_FORGET: Duration = Duration::from_secs(60);

/// The state of one membership.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// How far the membership is.
    phase: Phase,
    /// The lanes that have not ended. A fenced lane is not among them, even if its task still runs.
    lanes: BTreeMap<Epoch, LaneState>,
    /// Revocations, answered strictly in this order, because the client acts on them in order, too.
    pending_revocations: VecDeque<PendingRevocation>,
    /// Whether `on_revoked` runs before partitions are released: the app has such a hook.
    hooked: bool,
    /// The run of `on_revoked` for the lanes that a shutdown releases.
    last_hook: HookState,
    /// Deaths of lanes in a row, over all partitions of the membership.
    deaths: u32,
    /// When a lane died last.
    last_death: Option<Instant>,
}

/// How far a membership is. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// Lanes are started.
    #[default]
    Running,
    /// The app shuts down, and running calls end. Lanes that are assigned now are discarded.
    Draining,
    /// A close was requested, or the client failed. The backend's end is awaited.
    Closing {
        /// When the membership counts as finished, with or without the backend's report.
        until: Instant,
    },
    /// Nothing happens any more.
    Finished,
}

/// How far a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaneState {
    /// Its task begins records.
    Active {
        /// How long it may drain, once that is requested.
        drain: Duration,
    },
    /// Its task begins no record, and finishes running calls.
    Draining {
        /// When it is fenced, if its task has not ended by then.
        until: Instant,
        /// Where its partition is opened again afterwards, if it is not given back.
        seek: Option<i64>,
    },
    /// The lane's task died. The partition is opened again after a pause.
    Dead {
        /// When the pause is over.
        reopen: Instant,
    },
}

/// A revocation without an answer.
#[derive(Debug)]
struct PendingRevocation {
    /// The number for the answer.
    id: RevocationId,
    /// Its lanes. The answer waits until none of them is in `Group::lanes`.
    lanes: Vec<Epoch>,
    /// The run of `on_revoked` for it.
    hook: HookState,
}

impl Group {
    /// Makes revocations wait for hooks: each is answered once its hook has ended, or its time is over.
    pub(super) fn hooked(&mut self) {
        self.hooked = true;
    }

    /// Handles an input, and appends what follows from it to `out`. Costs no more than a walk over the lanes of
    /// the membership.
    pub(super) fn on(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Assigned(lanes) => self.assigned(&lanes, out),
            Input::Revoked { id, lanes, lost } => self.revoked(now, id, lanes, lost, out),
            Input::LaneEnded { lane, died } => self.lane_ended(now, lane, died, out),
            Input::HookEnded(id) => self.hook_ended(id),
            Input::Seek { lane, next } => self.seek(now, lane, next, out),
            Input::Shutdown => self.shutdown(now, out),
            Input::Fatal => self.fatal(now, out),
            Input::Closed if self.phase != Phase::Finished => self.finish(true, out),
            Input::Closed | Input::Tick => {}
        }
        self.advance(now, out);
    }

    /// Returns when the clock alone makes something due; `None` if nothing does. The member calls with `Tick` by
    /// then.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let closing = match self.phase {
            Phase::Closing { until } => Some(until),
            Phase::Running | Phase::Draining | Phase::Finished => None,
        };
        let lanes = self.lanes.values().filter_map(|lane| match lane {
            LaneState::Active { .. } => None,
            LaneState::Draining { until, .. } => Some(*until),
            LaneState::Dead { reopen } => Some(*reopen),
        });
        let hooks =
            self.pending_revocations.front().map_or(self.last_hook, |pending| pending.hook).deadline();
        lanes.chain(closing).chain(hooks).min()
    }

    /// Returns whether the lane's task died, and its partition is to be opened again.
    pub(super) fn is_dead(&self, lane: Epoch) -> bool {
        matches!(self.lanes.get(&lane), Some(LaneState::Dead { .. }))
    }
    /// Returns whether the membership has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Starts lanes; outside `Running` it discards them, because nothing would wait for their calls.
    fn assigned(&mut self, lanes: &[(Epoch, Duration)], out: &mut Vec<Action>) {
        for (lane, drain) in lanes {
            if self.phase == Phase::Running {
                self.lanes.insert(*lane, LaneState::Active { drain: *drain });
                out.push(Action::Start(*lane));
            } else {
                out.push(Action::Discard(*lane));
            }
        }
    }

    /// Drains lanes, and appends their revocation to the queue. A lost one also ends the wait for the hooks of all
    /// earlier revocations.
    fn revoked(
        &mut self,
        now: Instant,
        id: RevocationId,
        lanes: Vec<Epoch>,
        lost: bool,
        out: &mut Vec<Action>,
    ) {
        let most = if lost { DRAIN_LOST } else { Duration::MAX };
        let hook = if lost { HookState::Unwanted } else { self.hook(now, &lanes) };
        if lost {
            // Nothing waits for hooks of lost partitions.
            self.pending_revocations.iter_mut().for_each(|pending| pending.hook = HookState::Unwanted);
        }
        for lane in &lanes {
            self.drain(now, *lane, most, out);
        }
        self.pending_revocations.push_back(PendingRevocation { id, lanes, hook });
    }

    /// Returns the hook of a revocation of these lanes. If none of them is alive, no hook runs.
    fn hook(&self, now: Instant, lanes: &[Epoch]) -> HookState {
        let until = lanes.iter().filter_map(|lane| match *self.lanes.get(lane)? {
            LaneState::Active { drain } => Some(now + drain),
            LaneState::Draining { until, .. } => Some(until),
            LaneState::Dead { .. } => Some(now),
        });
        until.max().filter(|_| self.hooked).map_or(HookState::Unwanted, |until| HookState::Wanted { until })
    }

    /// Ends the wait for a hook. An answer to a revocation that was given up is ignored.
    fn hook_ended(&mut self, id: Option<RevocationId>) {
        let pending_revocations = self
            .pending_revocations
            .iter_mut()
            .find(|pending| Some(pending.id) == id)
            .map(|pending| &mut pending.hook);
        if let Some(hook) = pending_revocations.or(id.is_none().then_some(&mut self.last_hook)) {
            *hook = HookState::Unwanted;
        }
    }

    /// Removes a lane whose task has ended. If it died while it was active, it becomes `Dead` instead: 0.1 s for
    /// the first death, twice as long for each further one within a minute of the last, 30 s at most.
    fn lane_ended(&mut self, now: Instant, lane: Epoch, died: bool, out: &mut Vec<Action>) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if !died || !matches!(state, LaneState::Active { .. }) || self.phase != Phase::Running {
            if let Some(LaneState::Draining { seek: Some(next), .. }) = self.lanes.remove(&lane) {
                out.push(Action::Seek { lane, next });
            }
            return;
        }
        if self.last_death.is_none_or(|last| now - last > REOPEN_FORGET) {
            self.deaths = 0;
        }
        self.deaths += 1;
        *state = LaneState::Dead { reopen: now + REOPEN.after(self.deaths) };
        self.last_death = Some(now);
    }

    /// Lets the lane's calls end as before a revocation, then opens its partition again. A partition that is being given
    /// back is left alone.
    fn seek(&mut self, now: Instant, lane: Epoch, next: i64, out: &mut Vec<Action>) {
        let is_leaving = self.phase != Phase::Running
            || self.pending_revocations.iter().any(|pending| pending.lanes.contains(&lane));
        let Some(state) = self.lanes.get_mut(&lane).filter(|_| !is_leaving) else {
            out.push(Action::RefuseSeek(lane));
            return;
        };
        match *state {
            LaneState::Active { drain } => {
                *state = LaneState::Draining { until: now + drain, seek: Some(next) };
                out.push(Action::Drain(lane));
            }
            // It drains because of another seek.
            LaneState::Draining { until, .. } => *state = LaneState::Draining { until, seek: Some(next) },
            LaneState::Dead { .. } => {
                self.lanes.remove(&lane);
                out.push(Action::Seek { lane, next });
            }
        }
    }
    /// Drains all lanes. The hook at a shutdown is for the lanes that no revocation reports.
    fn shutdown(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Draining;
        let all: Vec<Epoch> = self.lanes.keys().copied().collect();
        let revoked: Vec<&Epoch> =
            self.pending_revocations.iter().flat_map(|pending| &pending.lanes).collect();
        let kept: Vec<Epoch> = all.iter().filter(|lane| !revoked.contains(lane)).copied().collect();
        self.last_hook = self.hook(now, &kept);
        for lane in all {
            self.drain(now, lane, Duration::MAX, out);
        }
    }

    /// Ends every lane at once, because fetching does not stop by itself after a fatal error.
    fn fatal(&mut self, now: Instant, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Finished) {
            return;
        }
        self.fence_all(false, out);
        self.pending_revocations.clear();
        self.last_hook = HookState::Unwanted;
        self.phase = Phase::Closing { until: now + CLOSE };
    }

    /// Drains a lane for its own drain time, `most` at most. A lane that drains already only gets less time (it
    /// was lost meanwhile). A dead lane has nothing to drain.
    fn drain(&mut self, now: Instant, lane: Epoch, most: Duration, out: &mut Vec<Action>) {
        match self.lanes.get_mut(&lane) {
            Some(LaneState::Active { drain }) => {
                let until = now + most.min(*drain);
                self.lanes.insert(lane, LaneState::Draining { until, seek: None });
                out.push(Action::Drain(lane));
            }
            Some(LaneState::Draining { until, seek }) => {
                if most < Duration::MAX {
                    *until = (*until).min(now + most);
                }
                if seek.take().is_some() {
                    out.push(Action::RefuseSeek(lane));
                }
            }
            Some(LaneState::Dead { .. }) => drop(self.lanes.remove(&lane)),
            None => {}
        }
    }

    /// Applies whatever the clock or the last input made due.
    fn advance(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.lanes.retain(|lane, state| match *state {
            LaneState::Draining { until, seek } if until <= now => {
                out.push(Action::Fence { lane: *lane, late: true });
                out.extend(seek.map(|next| Action::Seek { lane: *lane, next }));
                false
            }
            LaneState::Dead { reopen } if reopen <= now => {
                out.push(Action::Reopen(*lane));
                false
            }
            _ => true,
        });
        while let Some(pending) = self.pending_revocations.front_mut() {
            let id = pending.id;
            if pending.lanes.iter().any(|lane| self.lanes.contains_key(lane))
                || pending.hook.waits(now, Some(id), out)
            {
                break;
            }
            self.pending_revocations.pop_front();
            // A consumer that closes answers revocations itself.
            if matches!(self.phase, Phase::Running | Phase::Draining) {
                out.push(Action::Answer(id));
            }
        }
        if self.phase == Phase::Draining
            && self.lanes.is_empty()
            && self.pending_revocations.is_empty()
            && !self.last_hook.waits(now, None, out)
        {
            self.phase = Phase::Closing { until: now + CLOSE };
            out.push(Action::Close);
        }
        if let Phase::Closing { until } = self.phase
            && until <= now
        {
            self.finish(false, out);
        }
    }

    /// Ends the membership: whatever is still there is fenced.
    fn finish(&mut self, closed: bool, out: &mut Vec<Action>) {
        self.fence_all(false, out);
        self.pending_revocations.clear();
        self.last_hook = HookState::Unwanted;
        self.phase = Phase::Finished;
        out.push(Action::Finished { closed });
    }

    /// Fences all lanes whose task may still run, and forgets all lanes.
    fn fence_all(&mut self, late: bool, out: &mut Vec<Action>) {
        for (lane, state) in std::mem::take(&mut self.lanes) {
            if !matches!(state, LaneState::Dead { .. }) {
                out.push(Action::Fence { lane, late });
            }
            if matches!(state, LaneState::Draining { seek: Some(_), .. }) {
                out.push(Action::RefuseSeek(lane));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const DRAIN: Duration = Duration::from_secs(5);

    /// The possible next steps of a backend and its lanes, chosen at random.
    #[derive(Debug, Clone, Copy)]
    enum Act {
        Assign(u8),
        Revoke { lanes: u8, lost: bool },
        LaneEnds { pick: u8, died: bool },
        HookEnds,
        Seek { pick: u8 },
        Wait { millis: u16 },
        Shutdown,
        Fatal,
        Close,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (0..4_u8).prop_map(Act::Assign),
            4 => (1..4_u8, any::<bool>()).prop_map(|(lanes, lost)| Act::Revoke { lanes, lost }),
            6 => (any::<u8>(), any::<bool>()).prop_map(|(pick, died)| Act::LaneEnds { pick, died }),
            3 => Just(Act::HookEnds),
            3 => any::<u8>().prop_map(|pick| Act::Seek { pick }),
            6 => (0..7_000_u16).prop_map(|millis| Act::Wait { millis }),
            1 => Just(Act::Shutdown),
            1 => Just(Act::Fatal),
            1 => Just(Act::Close),
        ]
    }

    /// A world that obeys the contract, and checks that the state machine obeys it, too.
    #[derive(Debug)]
    struct World {
        group: Group,
        now: Instant,
        number: u64,
        /// Assigned, and not revoked by the backend.
        owned: Vec<Epoch>,
        /// Started, and neither ended nor fenced.
        alive: BTreeSet<Epoch>,
        /// Started, and not known to be over: a seek may name any of them.
        known: Vec<Epoch>,
        /// Seeks without a result, and where they go.
        seeks: BTreeMap<Epoch, (i64, Instant)>,
        /// Runs of `on_revoked` that have not ended.
        hooks: VecDeque<Option<RevocationId>>,
        /// Revocations without an answer: until when one must come.
        pending_revocations: VecDeque<(RevocationId, Vec<Epoch>, Instant)>,
        stopping: bool,
        closed: bool,
        finished: bool,
    }

    impl World {
        fn new(hooked: bool) -> Self {
            let mut group = Group::default();
            if hooked {
                group.hooked();
            }
            Self {
                group,
                hooks: VecDeque::new(),
                known: Vec::new(),
                seeks: BTreeMap::new(),
                now: Instant::now(),
                number: 0,
                owned: Vec::new(),
                alive: BTreeSet::new(),
                pending_revocations: VecDeque::new(),
                stopping: false,
                closed: false,
                finished: false,
            }
        }

        fn number(&mut self) -> u64 {
            self.number += 1;
            self.number
        }

        fn input(&mut self, input: Input) {
            let mut out = Vec::new();
            self.group.on(self.now, input, &mut out);
            for output in out {
                assert!(!self.finished, "{output:?} after the end");
                match output {
                    Action::Start(lane) => {
                        assert!(!self.stopping, "started while stopping");
                        assert!(self.alive.insert(lane), "started twice");
                        self.known.push(lane);
                    }
                    Action::Discard(_) => assert!(self.stopping),
                    Action::Drain(lane) => assert!(self.alive.contains(&lane)),
                    Action::Fence { lane, .. } => assert!(self.alive.remove(&lane), "fenced what is gone"),
                    Action::Answer(id) => {
                        let (pending_revocations, lanes, _) =
                            self.pending_revocations.pop_front().expect("an answer is owed");
                        assert_eq!(pending_revocations, id, "answered out of order");
                        assert!(
                            !lanes.iter().any(|lane| self.alive.contains(lane)),
                            "answered while a lane lives"
                        );
                        assert!(!self.closed, "answered after closing");
                    }
                    Action::Hook(id) => {
                        let front = self
                            .pending_revocations
                            .front()
                            .map(|(pending_revocations, ..)| *pending_revocations);
                        assert!(!self.closed && (id == front), "a hook out of order: {id:?}, {front:?}");
                        let lanes =
                            self.pending_revocations.front().into_iter().flat_map(|(_, lanes, _)| lanes);
                        assert!(
                            !lanes.into_iter().any(|lane| self.alive.contains(lane)),
                            "a call still runs"
                        );
                        assert!(!self.hooks.contains(&id), "run twice");
                        self.hooks.push_back(id);
                    }
                    Action::Reopen(lane) => {
                        assert!(!self.alive.contains(&lane));
                        self.owned.retain(|owned| *owned != lane);
                    }
                    Action::Seek { lane, next } => {
                        assert!(!self.alive.contains(&lane), "sought while a call may run");
                        assert!(!self.stopping && !self.closed, "sought while the group is left");
                        let (wanted, _) = self.seeks.remove(&lane).expect("somebody wants it");
                        assert_eq!(wanted, next);
                        assert!(self.owned.contains(&lane), "sought although it is given back");
                        self.owned.retain(|owned| *owned != lane);
                    }
                    Action::RefuseSeek(lane) => {
                        self.seeks.remove(&lane).expect("somebody wants it");
                    }
                    Action::Close => {
                        assert!(self.alive.is_empty() && !std::mem::replace(&mut self.closed, true));
                    }
                    Action::Finished { .. } => {
                        assert!(self.alive.is_empty());
                        self.finished = true;
                    }
                }
            }
            let late = self.seeks.values().find(|(_, until)| *until < self.now);
            assert!(late.is_none(), "a seek without a result: {late:?}");
            let late = self.pending_revocations.iter().find(|(_, _, until)| *until < self.now);
            assert!(self.closed || self.finished || late.is_none(), "{late:?} was not answered in time");
        }

        /// The clock stops at every deadline, as a driver's does.
        fn wait(&mut self, duration: Duration) {
            let until = self.now + duration;
            let mut ticks = 0;
            while let Some(deadline) = self.group.next_deadline()
                && deadline <= until
            {
                ticks += 1;
                assert!(ticks < 1_000, "a deadline that is never served: {:?}", self.group);
                self.now = self.now.max(deadline);
                self.input(Input::Tick);
            }
            self.now = until;
            self.input(Input::Tick);
        }

        fn act(&mut self, act: Act) {
            if self.finished {
                return;
            }
            match act {
                Act::Assign(lanes) => {
                    let lanes: Vec<_> = (0..lanes).map(|_| Epoch(self.number())).collect();
                    self.owned.extend(&lanes);
                    self.input(Input::Assigned(lanes.into_iter().map(|lane| (lane, DRAIN)).collect()));
                }
                Act::Revoke { lanes, lost } => {
                    let lanes = usize::from(lanes).min(self.owned.len());
                    let lanes: Vec<_> = self.owned.drain(..lanes).collect();
                    let id = RevocationId(self.number());
                    self.pending_revocations.push_back((id, lanes.clone(), self.now + DRAIN));
                    self.input(Input::Revoked { id, lanes, lost });
                }
                Act::LaneEnds { pick, died } => {
                    let pick = usize::from(pick) % self.alive.len().max(1);
                    let Some(lane) = self.alive.iter().nth(pick).copied() else { return };
                    self.alive.remove(&lane);
                    self.input(Input::LaneEnded { lane, died });
                }
                Act::HookEnds => {
                    if let Some(hook) = self.hooks.pop_front() {
                        self.input(Input::HookEnded(hook));
                    }
                }
                Act::Seek { pick } => {
                    let pick = usize::from(pick) % self.known.len().max(1);
                    let Some(lane) = self.known.get(pick).copied() else { return };
                    let (next, until) = (i64::try_from(pick).unwrap_or(0), self.now + DRAIN);
                    // A newer one takes the time of the one before.
                    let until = self.seeks.get(&lane).map_or(until, |(_, until)| *until);
                    self.seeks.insert(lane, (next, until));
                    self.input(Input::Seek { lane, next });
                }
                Act::Wait { millis } => self.wait(Duration::from_millis(millis.into())),
                Act::Shutdown => {
                    self.stopping = true;
                    self.input(Input::Shutdown);
                }
                Act::Fatal => {
                    (self.stopping, self.closed) = (true, true);
                    self.input(Input::Fatal);
                    assert!(self.alive.is_empty(), "fed on after a fatal error");
                }
                Act::Close => {
                    self.stopping = true;
                    self.input(Input::Closed);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn revocations_are_answered_once_in_order_in_time_and_it_always_ends(
            hooked in any::<bool>(),
            acts in prop::collection::vec(act(), 0..60),
        ) {
            let mut world = World::new(hooked);
            for act in acts {
                world.act(act);
            }
            world.act(Act::Shutdown);
            world.wait(DRAIN + CLOSE);
            prop_assert!(world.finished, "never ended: {world:?}");
            prop_assert!(world.seeks.is_empty(), "seeks without a result: {world:?}");
        }
    }

    #[test]
    fn a_lost_revocation_cuts_the_drain_of_an_earlier_one_short() {
        let mut world = World::new(false);
        world.act(Act::Assign(1));
        let lanes = world.owned.clone();
        world.act(Act::Revoke { lanes: 1, lost: false });
        world.input(Input::Revoked { id: RevocationId(99), lanes: lanes.clone(), lost: true });
        world.pending_revocations.push_back((RevocationId(99), lanes, world.now + DRAIN));
        assert_eq!(world.group.next_deadline(), Some(world.now + DRAIN_LOST));
    }

    #[test]
    fn a_revocation_waits_for_its_hook_until_the_drain_time_is_over() {
        let mut world = World::new(true);
        world.act(Act::Assign(2));
        world.act(Act::Revoke { lanes: 1, lost: false });
        world.act(Act::Wait { millis: 1_000 });
        assert!(world.hooks.is_empty(), "the call still runs");
        world.act(Act::LaneEnds { pick: 0, died: false });
        assert_eq!((world.hooks.len(), world.pending_revocations.len()), (1, 1));
        world.act(Act::HookEnds);
        assert!(world.pending_revocations.is_empty(), "answered");
        world.act(Act::Revoke { lanes: 1, lost: false });
        world.act(Act::LaneEnds { pick: 0, died: false });
        world.act(Act::Wait { millis: 4_999 });
        assert_eq!((world.hooks.len(), world.pending_revocations.len()), (1, 1));
        world.act(Act::Wait { millis: 1 });
        assert!(world.pending_revocations.is_empty(), "the hook is late");
    }

    #[test]
    fn a_lane_that_dies_in_a_row_is_opened_again_later_each_time() {
        let mut group = Group::default();
        let now = Instant::now();
        let mut pauses = Vec::new();
        for epoch in (0..4).map(Epoch) {
            let mut out = Vec::new();
            group.on(now, Input::Assigned(vec![(epoch, DRAIN)]), &mut out);
            group.on(now, Input::LaneEnded { lane: epoch, died: true }, &mut out);
            let reopen = group.next_deadline().expect("it is opened again");
            pauses.push((reopen - now).as_millis());
            group.on(reopen, Input::Tick, &mut out);
            assert_eq!(out.last(), Some(&Action::Reopen(epoch)));
        }
        assert_eq!(pauses, [100, 200, 400, 800]);
    }

    #[test]
    fn a_seek_waits_for_running_calls_until_the_drain_time_is_over() {
        let mut group = Group::default();
        let (now, mut out) = (Instant::now(), Vec::new());
        let (quick, slow) = (Epoch(1), Epoch(2));
        group.on(now, Input::Assigned(vec![(quick, DRAIN), (slow, DRAIN)]), &mut out);
        out.clear();
        for lane in [quick, slow] {
            group.on(now, Input::Seek { lane, next: 7 }, &mut out);
        }
        assert_eq!(std::mem::take(&mut out), [Action::Drain(quick), Action::Drain(slow)]);
        group.on(now, Input::Seek { lane: slow, next: 9 }, &mut out);
        group.on(now, Input::LaneEnded { lane: quick, died: false }, &mut out);
        assert_eq!(std::mem::take(&mut out), [Action::Seek { lane: quick, next: 7 }]);
        group.on(now + DRAIN, Input::Tick, &mut out);
        assert_eq!(out, [Action::Fence { lane: slow, late: true }, Action::Seek { lane: slow, next: 9 }]);
    }

    #[test]
    fn a_seek_of_a_partition_that_is_given_back_is_refused() {
        let mut group = Group::default();
        let (now, mut out) = (Instant::now(), Vec::new());
        let (lane, id) = (Epoch(1), RevocationId(1));
        group.on(now, Input::Assigned(vec![(lane, DRAIN)]), &mut out);
        group.on(now, Input::Seek { lane, next: 7 }, &mut out);
        out.clear();
        group.on(now, Input::Revoked { id, lanes: vec![lane], lost: false }, &mut out);
        assert_eq!(std::mem::take(&mut out), [Action::RefuseSeek(lane)], "it drains already");
        group.on(now, Input::Seek { lane, next: 8 }, &mut out);
        group.on(now, Input::LaneEnded { lane, died: false }, &mut out);
        assert_eq!(out, [Action::RefuseSeek(lane), Action::Answer(id)]);
    }

    #[test]
    fn a_lane_that_died_begins_at_once_where_a_seek_goes() {
        let mut group = Group::default();
        let (now, mut out, lane) = (Instant::now(), Vec::new(), Epoch(1));
        group.on(now, Input::Assigned(vec![(lane, DRAIN)]), &mut out);
        group.on(now, Input::LaneEnded { lane, died: true }, &mut out);
        out.clear();
        group.on(now, Input::Seek { lane, next: 7 }, &mut out);
        assert_eq!(std::mem::take(&mut out), [Action::Seek { lane, next: 7 }]);
        group.on(now + REOPEN_FORGET, Input::Tick, &mut out);
        assert_eq!(out, [], "it is not opened twice");
    }

    #[test]
    fn only_a_death_while_it_is_active_opens_a_partition_again() {
        let (now, lane, id) = (Instant::now(), Epoch(1), RevocationId(1));
        let ended = |revoked: bool, died: bool| {
            let (mut group, mut out) = (Group::default(), Vec::new());
            group.on(now, Input::Assigned(vec![(lane, DRAIN)]), &mut out);
            if revoked {
                group.on(now, Input::Revoked { id, lanes: vec![lane], lost: false }, &mut out);
            }
            out.clear();
            group.on(now, Input::LaneEnded { lane, died }, &mut out);
            group.on(now + REOPEN_FORGET, Input::Tick, &mut out);
            out
        };
        assert_eq!(ended(false, true), [Action::Reopen(lane)]);
        assert_eq!(ended(false, false), []);
        assert_eq!(ended(true, true), [Action::Answer(id)]);
        assert_eq!(ended(true, false), [Action::Answer(id)]);
    }

    #[test]
    fn deaths_are_forgotten_a_minute_after_the_last() {
        let pause_after = |between: Duration| {
            let (mut group, mut out, began) = (Group::default(), Vec::new(), Instant::now());
            for (epoch, now) in [(Epoch(1), began), (Epoch(2), began + between)] {
                group.on(now, Input::Tick, &mut out);
                group.on(now, Input::Assigned(vec![(epoch, DRAIN)]), &mut out);
                group.on(now, Input::LaneEnded { lane: epoch, died: true }, &mut out);
            }
            group.next_deadline().expect("it is opened again") - (began + between)
        };
        assert_eq!(pause_after(REOPEN_FORGET), Duration::from_millis(200));
        assert_eq!(pause_after(REOPEN_FORGET + Duration::from_millis(1)), Duration::from_millis(100));
    }

    #[test]
    fn the_hook_at_a_shutdown_is_for_the_lanes_that_no_revocation_names() {
        let (now, lane, id) = (Instant::now(), Epoch(1), RevocationId(1));
        let after = |revoked: bool| {
            let (mut group, mut out) = (Group::default(), Vec::new());
            group.hooked();
            group.on(now, Input::Assigned(vec![(lane, DRAIN)]), &mut out);
            if revoked {
                group.on(now, Input::Revoked { id, lanes: vec![lane], lost: false }, &mut out);
            }
            group.on(now, Input::Shutdown, &mut out);
            out.clear();
            group.on(now, Input::LaneEnded { lane, died: false }, &mut out);
            let before = std::mem::take(&mut out);
            assert!(!before.contains(&Action::Close), "its hook comes first: {before:?}");
            group.on(now, Input::HookEnded(revoked.then_some(id)), &mut out);
            out
        };
        assert_eq!(after(false), [Action::Close]);
        assert_eq!(after(true), [Action::Answer(id), Action::Close]);
    }

    #[test]
    fn a_close_without_an_answer_ends_at_its_deadline_and_only_once() {
        let now = Instant::now();
        for fatal in [false, true] {
            let (mut group, mut out) = (Group::default(), Vec::new());
            group.on(now, if fatal { Input::Fatal } else { Input::Shutdown }, &mut out);
            assert_eq!(out, if fatal { vec![] } else { vec![Action::Close] });
            out.clear();
            assert_eq!(group.next_deadline(), Some(now + CLOSE));
            group.on(now + CLOSE - Duration::from_millis(1), Input::Tick, &mut out);
            assert!(out.is_empty() && !group.is_finished());
            group.on(now + CLOSE, Input::Tick, &mut out);
            assert_eq!(std::mem::take(&mut out), [Action::Finished { closed: false }]);
            assert!(group.is_finished());
            group.on(now + CLOSE, Input::Closed, &mut out);
            group.on(now + CLOSE, Input::Fatal, &mut out);
            assert_eq!((out.as_slice(), group.next_deadline()), (&[][..], None), "it has ended");
        }
    }
}

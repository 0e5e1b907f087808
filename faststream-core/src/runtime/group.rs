//! The group's state machine: inputs and a clock in, outputs out. No I/O, no task, no lock.
//!
//! It decides which lanes start, which drain and until when, when a revocation is answered, and when the consumer is
//! closed. It never sees a record.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::{Epoch, RevocationId};

/// The drain time of lost lanes. Another member may own the partition already, so it is short.
const DRAIN_LOST: Duration = Duration::from_millis(200);
/// How long the backend may take to leave the group, if it does not give up by itself.
const CLOSE: Duration = Duration::from_secs(12);
/// The pause before a lane that died is opened again. Each death in a row doubles it.
const REOPEN: Duration = Duration::from_millis(100);
const REOPEN_MOST: Duration = Duration::from_secs(30);
/// After this long without a death, the next one counts as the first again.
const REOPEN_FORGET: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Lanes, and how long a drain waits for each.
    Assigned(Vec<(Epoch, Duration)>),
    Revoked {
        id: RevocationId,
        lanes: Vec<Epoch>,
        lost: bool,
    },
    /// The lane's task has ended; `died` if the member did not request it.
    LaneEnded {
        lane: Epoch,
        died: bool,
    },
    /// `on_revoked` has ended; `None` for the one at a shutdown.
    HookEnded(Option<RevocationId>),
    Shutdown,
    Fatal,
    Closed,
    /// The clock passed `next_deadline`.
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Start(Epoch),
    /// Drop the lane unread: it was assigned too late.
    Discard(Epoch),
    /// Begin no further record, and finish running calls.
    Drain(Epoch),
    /// Fence the lane: from now on, nothing it does counts. `late` if its drain time was exceeded.
    Fence {
        lane: Epoch,
        late: bool,
    },
    /// Run `on_revoked`, because the calls have ended. `None` at a shutdown.
    Hook(Option<RevocationId>),
    Answer(RevocationId),
    Reopen(Epoch),
    Close,
    /// The membership has ended; `closed` if the backend reported it.
    Finished {
        closed: bool,
    },
}

#[derive(Debug, Default)]
pub(super) struct Group {
    phase: Phase,
    lanes: BTreeMap<Epoch, LaneState>,
    /// Revocations, answered strictly in this order, because the client acts on them in order, too.
    pending_revocations: VecDeque<PendingRevocation>,
    /// `on_revoked` runs before partitions are released.
    hooked: bool,
    /// The hook at a shutdown.
    last_hook: HookState,
    /// Deaths of lanes in a row, and the time of the last one.
    deaths: u32,
    last_death: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Running,
    Draining,
    /// A close was requested, or the client failed. The backend's end is awaited.
    Closing {
        until: Instant,
    },
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaneState {
    Active {
        drain: Duration,
    },
    Draining {
        until: Instant,
    },
    /// The lane's task died. It is opened again at this moment.
    Dead {
        reopen: Instant,
    },
}

#[derive(Debug)]
struct PendingRevocation {
    id: RevocationId,
    lanes: Vec<Epoch>,
    hook: HookState,
}

/// A run of `on_revoked`, and how long to wait for it: the drain time counts from the revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum HookState {
    #[default]
    Unwanted,
    Wanted {
        until: Instant,
    },
    Runs {
        until: Instant,
    },
}

impl HookState {
    /// Waits for the hook, which the first call starts. Returns false once the wait has ended.
    fn waits(&mut self, now: Instant, id: Option<RevocationId>, out: &mut Vec<Action>) -> bool {
        match *self {
            Self::Unwanted => false,
            Self::Wanted { until } => {
                *self = Self::Runs { until };
                out.push(Action::Hook(id));
                true
            }
            Self::Runs { until } if now < until => true,
            Self::Runs { .. } => {
                *self = Self::Unwanted;
                false
            }
        }
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Runs { until } => Some(until),
            Self::Unwanted | Self::Wanted { .. } => None,
        }
    }
}

impl Group {
    /// Makes revocations wait for hooks: each is answered once its hook has ended, or its time is over.
    pub(super) fn hooked(&mut self) {
        self.hooked = true;
    }

    pub(super) fn on(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Assigned(lanes) => self.assigned(&lanes, out),
            Input::Revoked { id, lanes, lost } => self.revoked(now, id, lanes, lost, out),
            Input::LaneEnded { lane, died } => self.lane_ended(now, lane, died),
            Input::HookEnded(id) => self.hook_ended(id),
            Input::Shutdown => self.shutdown(now, out),
            Input::Fatal => self.fatal(now, out),
            Input::Closed if self.phase != Phase::Finished => self.finish(true, out),
            Input::Closed | Input::Tick => {}
        }
        self.advance(now, out);
    }

    /// Returns when the clock alone makes something due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let closing = match self.phase {
            Phase::Closing { until } => Some(until),
            Phase::Running | Phase::Draining | Phase::Finished => None,
        };
        let lanes = self.lanes.values().filter_map(|lane| match lane {
            LaneState::Active { .. } => None,
            LaneState::Draining { until } => Some(*until),
            LaneState::Dead { reopen } => Some(*reopen),
        });
        let hooks =
            self.pending_revocations.front().map_or(self.last_hook, |pending| pending.hook).deadline();
        lanes.chain(closing).chain(hooks).min()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

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
            LaneState::Draining { until } => Some(until),
            LaneState::Dead { .. } => Some(now),
        });
        until.max().filter(|_| self.hooked).map_or(HookState::Unwanted, |until| HookState::Wanted { until })
    }

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

    fn lane_ended(&mut self, now: Instant, lane: Epoch, died: bool) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if !died || !matches!(state, LaneState::Active { .. }) || self.phase != Phase::Running {
            self.lanes.remove(&lane);
            return;
        }
        if self.last_death.is_none_or(|last| now - last > REOPEN_FORGET) {
            self.deaths = 0;
        }
        let pause = REOPEN.saturating_mul(1 << self.deaths.min(10)).min(REOPEN_MOST);
        *state = LaneState::Dead { reopen: now + pause };
        self.deaths += 1;
        self.last_death = Some(now);
    }

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

    fn drain(&mut self, now: Instant, lane: Epoch, most: Duration, out: &mut Vec<Action>) {
        match self.lanes.get_mut(&lane) {
            Some(LaneState::Active { drain }) => {
                let until = now + most.min(*drain);
                self.lanes.insert(lane, LaneState::Draining { until });
                out.push(Action::Drain(lane));
            }
            Some(LaneState::Draining { until }) if most < Duration::MAX => *until = (*until).min(now + most),
            Some(LaneState::Dead { .. }) => drop(self.lanes.remove(&lane)),
            Some(LaneState::Draining { .. }) | None => {}
        }
    }

    /// Applies whatever the clock or the last input made due.
    fn advance(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.lanes.retain(|lane, state| match *state {
            LaneState::Draining { until } if until <= now => {
                out.push(Action::Fence { lane: *lane, late: true });
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

    fn finish(&mut self, closed: bool, out: &mut Vec<Action>) {
        self.fence_all(false, out);
        self.pending_revocations.clear();
        self.last_hook = HookState::Unwanted;
        self.phase = Phase::Finished;
        out.push(Action::Finished { closed });
    }

    fn fence_all(&mut self, late: bool, out: &mut Vec<Action>) {
        let lanes = std::mem::take(&mut self.lanes).into_iter();
        let alive = lanes.filter(|(_, state)| !matches!(state, LaneState::Dead { .. }));
        out.extend(alive.map(|(lane, _)| Action::Fence { lane, late }));
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
                    Action::Close => {
                        assert!(self.alive.is_empty() && !std::mem::replace(&mut self.closed, true));
                    }
                    Action::Finished { .. } => {
                        assert!(self.alive.is_empty());
                        self.finished = true;
                    }
                }
            }
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
}

//! Limits the memory of the records that all partitions of a member together have fetched ahead.
//!
//! librdkafka limits each partition separately, and fetches at least one batch of each, as its producer wrote it.
//! With many partitions that is more than a member may use. So some partitions stop fetching, which frees the
//! records that they had fetched, starting with those whose handlers are stalled. Each fetches again when its
//! handler has nothing left to do.
//!
//! `config/memory.rs` shares the limit (`KafkaConfig::fetch_memory`, 256 MiB by default) out among the partitions
//! as they are at the join. This file watches the sum, which exceeds the limit if partitions are added, or if
//! batches are larger than a share.
//!
//! What is counted for a partition: the records of the last arrival, because they are in one buffer, which is
//! freed with the last of them, and librdkafka's own memory for each queued record. Key and value sizes are those
//! of the last record that was handed out. So the sum is an estimate, and partitions stop before it reaches the
//! limit.
//!
//! The decision (`MemoryBudget::decide`) does no I/O, and has a test for each rule. The control thread makes it,
//! at each turn while much is fetched or partitions are few.

use std::time::{Duration, Instant};

use faststream_core::TopicPartition;

use super::client::ConsumerClient;
use super::fetching;
use super::lane::LaneHandle;
use super::partitions::Partitions;

/// The memory that librdkafka needs for a record besides its key and value, in bytes.
const RECORD: u64 = 330;
/// How long a resumed partition may take to get records, if there are any. Until then the records that it will get
/// are counted.
const SOON: Duration = Duration::from_secs(1);
/// How many partitions are checked at each turn of the control thread. With more, each check is followed by a
/// pause, unless much is fetched.
const FEW: usize = 64;
/// The pause after a check, for each partition, so that the checks of many partitions take a small share of a
/// core.
const EACH: Duration = Duration::from_micros(50);
/// How much one partition may fetch before it is checked, in bytes.
const MOST: u64 = 8 << 20;
/// How long the control thread waits at most between two checks, if all partitions together could exceed the
/// limit.
const LOOK: Duration = Duration::from_millis(50);

/// The limit of what all partitions together may fetch ahead.
#[derive(Default)]
pub(super) struct MemoryBudget {
    /// The limit, in bytes; `None` if limits of single partitions were set instead (`queued.max.messages.kbytes`,
    /// `queued.min.messages`).
    bound: Option<u64>,
    /// The use of all partitions at the last check, in bytes, records that are awaited included.
    used: u64,
    /// When the next check is allowed; `None` allows it at once.
    next: Option<Instant>,
}

/// The current state of one partition.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// The next offset to be read.
    position: i64,
    /// How many records are fetched and not handed out.
    queued: u64,
    /// The approximate size of a record: its key and value, in bytes.
    size: u64,
    /// Whether its task waits for records.
    is_hungry: bool,
    /// Whether it has no other problem. A partition with corrupt records, or whose log began again, is not paused
    /// here.
    is_sound: bool,
}

/// The state of a partition that is kept between two checks.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchedAhead {
    /// The next offset to be read, at the last check.
    position: i64,
    /// When the position last changed. The partition with the oldest time has been stalled for the longest.
    moved: Instant,
    /// How many records were fetched and not handed out, at the last check.
    queued: u64,
    /// How many records there were at the last arrival. They are in one buffer, which is freed with the last of them.
    arrived: u64,
    /// How much it uses, in bytes.
    used: u64,
    /// How much it used at the last arrival, in bytes: what it will use again after it is resumed.
    needs: u64,
    /// Whether it was paused here.
    is_paused: bool,
    /// Since when it fetches again, until something arrives.
    awaited: Option<Instant>,
}

/// One partition, during the decision.
struct Seen<'a> {
    tp: &'a TopicPartition,
    look: Look,
    ahead: &'a mut FetchedAhead,
}

/// The decision.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decision {
    /// Partitions that stop fetching, the one that has been stalled for the longest first.
    pause: Vec<TopicPartition>,
    /// Partitions that fetch again, the one whose position has not changed for the longest first.
    resume: Vec<TopicPartition>,
}

impl Look {
    /// Returns the current state of a lane. Locks its queue for a moment.
    fn at(lane: &LaneHandle) -> Self {
        Self {
            position: lane.position(),
            queued: lane.queued() as u64,
            size: lane.record_size() as u64,
            is_hungry: lane.is_hungry(),
            is_sound: lane.corruption().is_none() && lane.truncated().is_none(),
        }
    }
}

impl FetchedAhead {
    /// Returns the state of a partition that begins at this offset.
    pub(super) fn new(position: i64, now: Instant) -> Self {
        Self {
            position,
            moved: now,
            queued: 0,
            arrived: 0,
            used: 0,
            needs: 0,
            is_paused: false,
            awaited: None,
        }
    }

    /// Returns whether the client has stopped fetching it.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Records the current state, and computes the use from it.
    fn see(&mut self, look: &Look, now: Instant) {
        let has_moved = look.position != self.position;
        if has_moved {
            (self.position, self.moved) = (look.position, now);
        }
        let has_more = look.queued > self.queued;
        self.arrived = match look.queued {
            0 => 0,
            queued if has_more => queued,
            _ => self.arrived,
        };
        self.queued = look.queued;
        self.used = self.arrived * look.size + self.queued * RECORD;
        if has_more {
            self.needs = self.used;
        }
        if has_moved || has_more || self.awaited.is_some_and(|since| now > since + SOON) {
            self.awaited = None;
        }
    }

    /// Returns how much it has, or is about to have, in bytes.
    fn charged(&self) -> u64 {
        if self.awaited.is_some() { self.used.max(self.needs) } else { self.used }
    }

    /// Stops fetching, which frees the queued records.
    pub(super) fn pause(&mut self) {
        *self = Self { is_paused: true, queued: 0, arrived: 0, used: 0, awaited: None, ..*self };
    }

    /// Resumes fetching.
    fn resume(&mut self, now: Instant) {
        *self = Self { is_paused: false, awaited: Some(now), ..*self };
    }
}

impl MemoryBudget {
    /// Returns a budget of which nothing is used.
    pub(super) fn new(bound: Option<u64>) -> Self {
        Self { bound, ..Self::default() }
    }

    /// Pauses and resumes partitions so that all of them stay within the limit. Not while a rebalance waits for its
    /// answer, because nothing is fetched then.
    pub(super) fn keep(&mut self, client: &ConsumerClient, partitions: &mut Partitions) {
        let now = Instant::now();
        let Some(bound) = self.bound.filter(|_| self.next.is_none_or(|next| now >= next)) else { return };
        let lanes = partitions.count();
        let is_calm = self.used < bound / 8 && lanes > FEW;
        self.next = is_calm.then(|| now + EACH * u32::try_from(lanes).unwrap_or(u32::MAX));
        let open = partitions.open_mut();
        let mut seen: Vec<Seen<'_>> =
            open.map(|(tp, open)| Seen { tp, look: Look::at(&open.lane), ahead: &mut open.ahead }).collect();
        let decision = self.decide(bound, &mut seen, now);
        fetching::stop(client, partitions, &decision.pause);
        fetching::resume(client, partitions, &decision.resume);
    }

    /// Returns how long until the next check: soon while much is fetched, or if all partitions together may exceed the
    /// limit.
    pub(super) fn patience(&self, lanes: usize) -> Duration {
        match self.bound {
            Some(bound) if self.used > bound / 8 => Duration::ZERO,
            Some(bound) if lanes as u64 * MOST > bound => LOOK,
            None | Some(_) => Duration::MAX,
        }
    }

    /// Decides which partitions stop and resume. Beyond five eighths of the limit, some partitions stop until one
    /// half is in use. The rest is for records that arrive until the next check, and for the memory between
    /// buffers that are in use.
    ///
    /// 1. Above five eighths, partitions stop that have queued records and whose task does not wait for any, in
    ///    the order of how long their position has not changed.
    /// 2. Each paused partition whose task waits for records resumes, if what it needs fits. To make room, further
    ///    partitions stop.
    /// 3. If nothing fits, one resumes nevertheless, and the others wait for its records. So a single batch that
    ///    is larger than the limit is handled, too.
    fn decide(&mut self, bound: u64, seen: &mut [Seen<'_>], now: Instant) -> Decision {
        let (most, enough) = (bound / 8 * 5, bound / 2);
        for Seen { look, ahead, .. } in &mut *seen {
            ahead.see(look, now);
        }
        self.used = seen.iter().map(|one| one.ahead.charged()).sum();
        let is_calm = self.used <= most && seen.iter().all(|one| !one.ahead.is_paused);
        if is_calm {
            return Decision::default();
        }
        let mut hungry: Vec<(Instant, usize)> = Vec::new();
        let mut full: Vec<(Instant, usize)> = Vec::new();
        for (index, Seen { look, ahead, .. }) in seen.iter().enumerate() {
            match ahead.is_paused {
                true if look.is_hungry => hungry.push((ahead.moved, index)),
                // A partition that waits for records takes them now.
                false if ahead.queued > 0 && !look.is_hungry && look.is_sound => {
                    full.push((ahead.moved, index));
                }
                _ => {}
            }
        }
        hungry.sort_unstable();
        // The one that has been stalled for the longest is the last.
        full.sort_unstable_by(|left, right| right.cmp(left));
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        let mut free = |used: &mut u64, limit: u64| {
            while *used > limit
                && let Some((_, index)) = full.pop()
            {
                *used -= seen[index].ahead.used;
                pause.push(index);
            }
        };
        let mut used = self.used;
        if used > most {
            free(&mut used, enough);
        }
        let mut are_awaited = seen.iter().any(|one| one.ahead.awaited.is_some());
        for (_, index) in hungry {
            let needs = seen[index].ahead.needs;
            free(&mut used, most.saturating_sub(needs));
            // At least one, whatever it needs.
            if used + needs > most && are_awaited {
                break;
            }
            are_awaited = true;
            used += needs;
            resume.push(index);
        }
        self.used = used;
        for index in &pause {
            seen[*index].ahead.pause();
        }
        for index in &resume {
            seen[*index].ahead.resume(now);
        }
        let names = |all: Vec<usize>| all.into_iter().map(|index| seen[index].tp.clone()).collect();
        Decision { pause: names(pause), resume: names(resume) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("orders", partition)
    }

    type All = BTreeMap<TopicPartition, (Look, FetchedAhead)>;

    /// Partitions with a batch of 1 MiB each.
    fn full(partitions: i32) -> All {
        let look = Look { position: 7, queued: 1, size: MIB - RECORD, is_hungry: false, is_sound: true };
        let one = (look, FetchedAhead::new(7, Instant::now()));
        (0..partitions).map(|partition| (tp(partition), one)).collect()
    }

    fn turn(budget: &mut MemoryBudget, all: &mut All, now: Instant) -> Decision {
        let seen = all.iter_mut().map(|(tp, (look, ahead))| Seen { tp, look: *look, ahead });
        let mut seen: Vec<_> = seen.collect();
        let bound = budget.bound.expect("there is one");
        let decision = budget.decide(bound, &mut seen, now);
        for tp in &decision.pause {
            all.get_mut(tp).expect("known").0.queued = 0;
        }
        decision
    }

    #[test]
    fn those_that_stand_still_stop_first_and_no_more_than_have_to() {
        let mut budget = MemoryBudget::new(Some(16 * MIB));
        let mut looks = full(10);
        let now = Instant::now();
        assert_eq!(turn(&mut budget, &mut looks, now), Decision::default());
        let later = now + Duration::from_millis(20);
        looks.get_mut(&tp(0)).expect("known").0.position = 8;
        looks.extend(full(11).split_off(&tp(10)));
        let pause = turn(&mut budget, &mut looks, later).pause;
        assert_eq!(pause, [1, 2, 3].map(tp), "those that moved last go on");
        assert_eq!(turn(&mut budget, &mut looks, later), Decision::default());
    }

    #[test]
    fn one_whose_task_waits_for_records_fetches_again_in_the_place_of_another() {
        let mut budget = MemoryBudget::new(Some(16 * MIB));
        let mut looks = full(12);
        let now = Instant::now();
        let paused = turn(&mut budget, &mut looks, now).pause;
        assert_eq!(paused, [0, 1, 2, 3].map(tp));
        for tp in &paused {
            looks.get_mut(tp).expect("known").0.is_hungry = true;
        }
        let Decision { pause, resume } = turn(&mut budget, &mut looks, now);
        assert_eq!((pause, resume), ([4, 5].map(tp).to_vec(), paused));
        // The records that they will get are counted, although they have not arrived.
        looks.extend(full(13).split_off(&tp(12)));
        assert_eq!(turn(&mut budget, &mut looks, now).pause, [6, 7, 8].map(tp));
    }

    #[test]
    fn one_at_least_fetches_whatever_it_needs() {
        let mut budget = MemoryBudget::new(Some(MIB));
        let mut looks = full(2);
        let now = Instant::now();
        let paused = turn(&mut budget, &mut looks, now).pause;
        assert_eq!(paused, [0, 1].map(tp));
        for (look, _) in looks.values_mut() {
            look.is_hungry = true;
        }
        assert_eq!(turn(&mut budget, &mut looks, now).resume, [tp(0)]);
        assert_eq!(turn(&mut budget, &mut looks, now).resume, [], "the other one waits for it");
        let later = now + SOON * 2;
        assert_eq!(turn(&mut budget, &mut looks, later).resume, [tp(1)], "for a while");
        assert_eq!(turn(&mut budget, &mut looks, later).resume, [], "both fetch");
    }

    #[test]
    fn nothing_stops_where_something_else_is_wrong() {
        let now = Instant::now();
        let mut looks = full(20);
        for (look, _) in looks.values_mut() {
            look.is_sound = false;
        }
        assert_eq!(turn(&mut MemoryBudget::new(Some(MIB)), &mut looks, now), Decision::default());
    }

    #[test]
    fn where_limits_of_single_partitions_were_set_nothing_is_looked_at() {
        let budget = MemoryBudget::new(None);
        assert_eq!(budget.patience(1_000), Duration::MAX);
    }
}

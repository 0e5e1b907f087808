//! What all partitions of a member have fetched ahead, together.
//!
//! librdkafka bounds each partition by itself, and takes at least one batch of each, as its producer wrote it. With many
//! partitions that is more than a member may use. So some stop fetching, which frees what they had fetched, those first whose
//! handlers stand still; and each fetches again when its handler has nothing left to do.

use faststream_core::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faststream_core::broker::Epoch;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::Offset;

use super::assignment;
use super::control::Control;
use super::lane::LaneHandle;

/// What librdkafka needs for a record beside its key and value, in bytes.
const RECORD: u64 = 330;
/// A partition that fetches again has got something within this time, if there is something.
const SOON: Duration = Duration::from_secs(1);
/// How often all partitions are looked at: as often as the control thread turns, while there are few, or much is fetched.
const FEW: usize = 64;
const EACH: Duration = Duration::from_micros(50);
/// What one partition may take before it is looked at.
const MOST: u64 = 8 << 20;
const LOOK: Duration = Duration::from_millis(50);

/// What was fetched ahead, as it was last seen.
#[derive(Default)]
pub(super) struct Ahead {
    /// How much it may be; `None` if limits of single partitions were set instead.
    bound: Option<u64>,
    /// In all partitions.
    used: u64,
    next: Option<Instant>,
    parts: BTreeMap<TopicPartition, Part>,
}

/// One partition as it is now.
#[derive(Debug, Clone, Copy)]
struct Look {
    lane: Epoch,
    /// The next offset to be read.
    position: i64,
    /// How many records are fetched and not handed out.
    queued: u64,
    /// What one of them has, about: its key and value.
    size: u64,
    /// Its task waits for records.
    is_hungry: bool,
    /// Nothing else is wrong with it.
    is_sound: bool,
}

/// What is kept of a partition between two looks.
#[derive(Debug, Clone, Copy)]
struct Part {
    lane: Epoch,
    position: i64,
    /// When it last moved.
    moved: Instant,
    queued: u64,
    /// How many there were when some had last arrived: they lie in one buffer, which goes with the last of them.
    arrived: u64,
    used: u64,
    /// What it used when some had last arrived.
    needs: u64,
    is_paused: bool,
    /// Since when it fetches again, until something has come.
    awaited: Option<Instant>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decision {
    pause: Vec<TopicPartition>,
    resume: Vec<TopicPartition>,
}

impl Part {
    fn new(look: &Look, now: Instant) -> Self {
        Self {
            lane: look.lane,
            position: look.position,
            moved: now,
            queued: 0,
            arrived: 0,
            used: 0,
            needs: 0,
            is_paused: false,
            awaited: None,
        }
    }

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

    /// What it has, or is about to have.
    fn charged(&self) -> u64 {
        if self.awaited.is_some() { self.used.max(self.needs) } else { self.used }
    }
}

impl Ahead {
    pub(super) fn new(bound: Option<u64>) -> Self {
        Self { bound, ..Self::default() }
    }

    fn is_due(&mut self, now: Instant, lanes: usize) -> bool {
        let Some(bound) = self.bound.filter(|_| self.next.is_none_or(|next| now >= next)) else {
            return false;
        };
        let is_calm = self.used < bound / 8 && lanes > FEW;
        self.next = is_calm.then(|| now + EACH * u32::try_from(lanes).unwrap_or(u32::MAX));
        true
    }

    /// How long until the next look: soon while much is fetched, or if all partitions together may exceed the bound.
    pub(super) fn patience(&self, lanes: usize) -> Duration {
        match self.bound {
            Some(bound) if self.used > bound / 8 => Duration::ZERO,
            Some(bound) if lanes as u64 * MOST > bound => LOOK,
            None | Some(_) => Duration::MAX,
        }
    }

    /// Beyond five eighths of the bound some partitions stop, down to the half: the rest is for what arrives until the next
    /// look, and for what lies between buffers that are in use.
    fn decide(&mut self, looks: &BTreeMap<TopicPartition, Look>, now: Instant) -> Decision {
        let mut decision = Decision::default();
        let Some(bound) = self.bound else { return decision };
        let (most, enough) = (bound / 8 * 5, bound / 2);
        self.parts.retain(|tp, part| {
            let is_there = looks.get(tp).is_some_and(|look| look.lane == part.lane);
            if !is_there && part.is_paused {
                // It is paused for whoever reads it next.
                decision.resume.push(tp.clone());
            }
            is_there
        });
        for (tp, look) in looks {
            self.parts.entry(tp.clone()).or_insert_with(|| Part::new(look, now)).see(look, now);
        }
        self.used = self.parts.values().map(Part::charged).sum();
        let is_calm = self.used <= most && self.parts.values().all(|part| !part.is_paused);
        if is_calm {
            return decision;
        }
        let mut hungry: Vec<(Instant, &TopicPartition)> = Vec::new();
        let mut full: Vec<(Instant, &TopicPartition)> = Vec::new();
        for (tp, part) in &self.parts {
            let look = &looks[tp];
            match part.is_paused {
                true if look.is_hungry => hungry.push((part.moved, tp)),
                // One that waits for records takes them now.
                false if part.queued > 0 && !look.is_hungry && look.is_sound => {
                    full.push((part.moved, tp));
                }
                _ => {}
            }
        }
        hungry.sort_unstable();
        // The one that has stood still for the longest is the last.
        full.sort_unstable_by(|left, right| right.cmp(left));
        let mut free = |used: &mut u64, limit: u64| {
            while *used > limit
                && let Some((_, tp)) = full.pop()
            {
                *used -= self.parts[tp].used;
                decision.pause.push(tp.clone());
            }
        };
        let mut used = self.used;
        if used > most {
            free(&mut used, enough);
        }
        let mut are_awaited = self.parts.values().any(|part| part.awaited.is_some());
        for (_, tp) in hungry {
            let needs = self.parts[tp].needs;
            free(&mut used, most.saturating_sub(needs));
            // One at least, whatever it needs.
            if used + needs > most && are_awaited {
                break;
            }
            are_awaited = true;
            used += needs;
            decision.resume.push(tp.clone());
        }
        self.used = used;
        decision
    }

    /// What was decided is done.
    fn note(&mut self, decision: &Decision, now: Instant) {
        for tp in &decision.pause {
            if let Some(part) = self.parts.get_mut(tp) {
                *part = Part { is_paused: true, queued: 0, arrived: 0, used: 0, awaited: None, ..*part };
            }
        }
        for tp in &decision.resume {
            if let Some(part) = self.parts.get_mut(tp) {
                *part = Part { is_paused: false, awaited: Some(now), ..*part };
            }
        }
    }
}

impl Control {
    /// Looks what was fetched ahead. Not while a rebalance waits for its answer: nothing is fetched then.
    pub(super) fn bound_memory(&mut self) {
        let now = Instant::now();
        let may_look = self.rebalances.is_empty() && !self.client.context().awaits_answer();
        if !may_look || !self.ahead.is_due(now, self.lanes.len()) {
            return;
        }
        let look = |(tp, lane): (&TopicPartition, &Arc<LaneHandle>)| {
            let look = Look {
                lane: lane.epoch,
                position: lane.position(),
                queued: lane.queued() as u64,
                size: lane.record_size() as u64,
                is_hungry: lane.is_hungry(),
                is_sound: lane.corruption().is_none() && lane.truncated().is_none(),
            };
            (tp.clone(), look)
        };
        let looks = self.lanes.iter().map(look).collect();
        let decision = self.ahead.decide(&looks, now);
        self.log_failure(self.stop_fetching(&decision.pause));
        self.log_failure(self.fetch_again(&decision.resume));
        self.ahead.note(&decision, now);
    }

    /// Frees what is queued there. It is fetched again from where its task is.
    fn stop_fetching(&self, partitions: &[TopicPartition]) -> KafkaResult<()> {
        if partitions.is_empty() {
            return Ok(());
        }
        let starts: Vec<_> = partitions.iter().map(|tp| (tp.clone(), None)).collect();
        let list = assignment::list(&starts)?;
        // Not in the middle of a batch that is being taken.
        let lanes = partitions.iter().filter_map(|tp| self.lanes.get(tp));
        let held: Vec<_> = lanes.map(|lane| (lane, lane.held())).collect();
        self.client.consumer().pause(&list)?;
        for (lane, queue) in held {
            // librdkafka leaves there what is not handed out any more until somebody asks for records.
            let has_some = queue.as_ref().is_some_and(|queue| queue.consume(1).len() > 0);
            if has_some {
                // It comes again, and librdkafka's position is behind it.
                lane.mark_drifted();
            }
        }
        Ok(())
    }

    fn fetch_again(&self, partitions: &[TopicPartition]) -> KafkaResult<()> {
        if partitions.is_empty() {
            return Ok(());
        }
        let consumer = self.client.consumer();
        for tp in partitions {
            if let Some(lane) = self.lanes.get(tp) {
                // Wherever librdkafka has gone meanwhile.
                self.log_failure(consumer.seek(
                    &tp.topic,
                    tp.partition,
                    Offset::Offset(lane.position()),
                    Duration::ZERO,
                ));
            }
        }
        let starts: Vec<_> = partitions.iter().map(|tp| (tp.clone(), None)).collect();
        consumer.resume(&assignment::list(&starts)?)
    }

    fn log_failure(&self, result: KafkaResult<()>) {
        if let Err(error) = result {
            let errors = &self.client.context().errors;
            errors.log("memory", format_args!("bounding what is fetched ahead: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("orders", partition)
    }

    /// Partitions with a batch of 1 MiB each.
    fn full(partitions: i32) -> BTreeMap<TopicPartition, Look> {
        let look = |partition: i32| {
            let lane = Epoch(u64::from(partition.unsigned_abs()));
            Look { lane, position: 7, queued: 1, size: MIB - RECORD, is_hungry: false, is_sound: true }
        };
        (0..partitions).map(|partition| (tp(partition), look(partition))).collect()
    }

    fn turn(ahead: &mut Ahead, looks: &mut BTreeMap<TopicPartition, Look>, now: Instant) -> Decision {
        let decision = ahead.decide(looks, now);
        ahead.note(&decision, now);
        for tp in &decision.pause {
            looks.get_mut(tp).expect("known").queued = 0;
        }
        decision
    }

    #[test]
    fn those_that_stand_still_stop_first_and_no_more_than_have_to() {
        let mut ahead = Ahead::new(Some(16 * MIB));
        let mut looks = full(10);
        let now = Instant::now();
        assert_eq!(turn(&mut ahead, &mut looks, now), Decision::default());
        let later = now + Duration::from_millis(20);
        looks.get_mut(&tp(0)).expect("known").position = 8;
        looks.extend(full(11).split_off(&tp(10)));
        let pause = turn(&mut ahead, &mut looks, later).pause;
        assert_eq!(pause, [1, 2, 3].map(tp), "those that moved last go on");
        assert_eq!(turn(&mut ahead, &mut looks, later), Decision::default());
    }

    #[test]
    fn one_whose_task_waits_for_records_fetches_again_in_the_place_of_another() {
        let mut ahead = Ahead::new(Some(16 * MIB));
        let mut looks = full(12);
        let now = Instant::now();
        let paused = turn(&mut ahead, &mut looks, now).pause;
        assert_eq!(paused, [0, 1, 2, 3].map(tp));
        for tp in &paused {
            looks.get_mut(tp).expect("known").is_hungry = true;
        }
        let Decision { pause, resume } = turn(&mut ahead, &mut looks, now);
        assert_eq!((pause, resume), ([4, 5].map(tp).to_vec(), paused));
        // What they are to get is counted, though it has not come.
        looks.insert(tp(12), Look { lane: Epoch(12), ..looks[&tp(11)] });
        assert_eq!(turn(&mut ahead, &mut looks, now).pause, [6, 7, 8].map(tp));
    }

    #[test]
    fn one_at_least_fetches_whatever_it_needs_and_a_new_lane_is_not_left_paused() {
        let mut ahead = Ahead::new(Some(MIB));
        let mut looks = full(2);
        let now = Instant::now();
        let paused = turn(&mut ahead, &mut looks, now).pause;
        assert_eq!(paused, [0, 1].map(tp));
        for look in looks.values_mut() {
            look.is_hungry = true;
        }
        assert_eq!(turn(&mut ahead, &mut looks, now).resume, [tp(0)]);
        assert_eq!(turn(&mut ahead, &mut looks, now).resume, [], "the other one waits for it");
        let later = now + SOON * 2;
        assert_eq!(turn(&mut ahead, &mut looks, later).resume, [tp(1)], "for a while");
        looks.get_mut(&tp(0)).expect("known").lane = Epoch(9);
        assert_eq!(turn(&mut ahead, &mut looks, later).resume, [], "it fetched");
        let mut ahead = Ahead::new(Some(MIB));
        let mut looks = full(2);
        turn(&mut ahead, &mut looks, now);
        looks.remove(&tp(0));
        looks.get_mut(&tp(1)).expect("known").lane = Epoch(9);
        assert_eq!(turn(&mut ahead, &mut looks, now).resume, [0, 1].map(tp));
    }

    #[test]
    fn nothing_stops_where_something_else_is_wrong_or_limits_were_set() {
        let now = Instant::now();
        let mut looks = full(20);
        for look in looks.values_mut() {
            look.is_sound = false;
        }
        assert_eq!(turn(&mut Ahead::new(Some(MIB)), &mut looks, now), Decision::default());
        assert_eq!(turn(&mut Ahead::new(None), &mut full(20), now), Decision::default());
        assert!(!Ahead::new(None).is_due(now, 20));
    }
}

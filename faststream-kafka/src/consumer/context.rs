//! librdkafka's callbacks of one membership. They only record events.
//!
//! rdkafka calls them from inside `poll`, so on the control thread, and on the thread that destroys the client
//! once the control thread has ended. A callback that waited would stop heartbeats. So each one appends to a queue
//! or sets a flag, and returns. The one exception is a rebalance while the client closes: nothing reads the queue
//! any more, so it is answered in the callback.
//!
//! The order of the events is the order of the callbacks. `control.rs` takes them after each poll.
//!
//! Three facts exist in time only in librdkafka's log, so its lines are parsed: the join state (`CGRPJOINSTATE`),
//! an answered KIP-848 heartbeat (`HEARTBEAT`), and an offset that the broker no longer has (`OFFSET`). The first
//! two need `debug=cgrp`, which `config/clients.rs` adds. The statistics, every 2 s by default, contain the join
//! state too, and correct it if a line was missed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use faststream_core::TopicPartition;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::assignment;
use super::freeze::Pulse;
use super::joining::Joining;
use super::stats::Statistics;
use super::wakeup::Sleepers;
use crate::error_log::ErrorLog;

/// The events of one client, in their order.
#[derive(Debug)]
pub(super) enum ClientEvent {
    /// The group assigns these partitions and waits for an assign call: all of them with the eager protocol, only
    /// the new ones with a cooperative one. May be empty.
    Assign(Vec<TopicPartition>),
    /// The group takes these partitions back, and waits for an unassign call.
    Revoke {
        /// All partitions of the client with the eager protocol, else those that move.
        partitions: Vec<TopicPartition>,
        /// Whether the membership is over already (librdkafka's `assignment_lost`): another member may own the
        /// partitions, and a commit would be refused.
        lost: bool,
    },
    /// The result of one commit: of ours, or of one that librdkafka sent for released partitions. Empty if the
    /// commit contained no offset.
    Committed(Vec<Committed>),
    /// This offset could not be read, because the log begins later or ends earlier. librdkafka already continues
    /// at the position that `auto.offset.reset` sets.
    OutOfRange(TopicPartition, i64),
}

/// The result of a commit for one partition.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) tp: TopicPartition,
    /// The next offset that was committed, not the offset of a record.
    pub(super) next: i64,
    /// The error of this partition, or else that of the whole commit; `None` if the broker accepted it.
    pub(super) error: Option<RDKafkaErrorCode>,
}

/// The state that the callbacks write.
///
/// Lanes, search threads and the control thread read it, so each part has its own atomic or lock, and no lock is
/// held during a call of librdkafka.
pub(crate) struct GroupContext {
    pub(super) group: Arc<str>,
    /// Logs each kind of problem at most once a minute. Shared with the clients before and after this one.
    pub(super) errors: Arc<ErrorLog>,
    /// Whether the control thread has stopped taking rebalances. From then on they are answered in the callback,
    /// and offset searches end.
    pub(super) closing: AtomicBool,
    /// Whether a request to join may be in flight. A commit sent behind that request waits as long as it does, and
    /// is refused by the new generation.
    joins: AtomicBool,
    /// Whether a rebalance waits for our answer, according to the join state. May be true before the event was
    /// polled.
    asks: AtomicBool,
    /// Whether the broker has refused metadata beside an offset (`offset.metadata.max.bytes`). Never reset for
    /// this client.
    notes_refused: AtomicBool,
    /// Leaders whose broker threads sleep after a rebalance, to be woken by `wakeup.rs`.
    pub(super) sleepers: Sleepers,
    /// Whether the client is in its group, and why not.
    pub(super) joining: Joining,
    /// When the control thread turned last, so that lanes notice a freeze of the process.
    pub(super) pulse: Pulse,
    /// Wakes the control thread; empty until the thread runs.
    control: OnceLock<Waker>,
    /// The recorded events that the control thread has not taken. The lock is held for one push or pop.
    events: Mutex<VecDeque<ClientEvent>>,
    /// The last statistics, replaced as a whole.
    statistics: Mutex<Statistics>,
}

impl GroupContext {
    /// Returns the context of a client that has not joined yet.
    pub(super) fn new(group: Arc<str>, errors: Arc<ErrorLog>) -> Self {
        Self {
            group,
            errors,
            closing: AtomicBool::new(false),
            joins: AtomicBool::new(false),
            asks: AtomicBool::new(false),
            joining: Joining::default(),
            pulse: Pulse::default(),
            control: OnceLock::new(),
            notes_refused: AtomicBool::new(false),
            sleepers: Sleepers::default(),
            events: Mutex::default(),
            statistics: Mutex::default(),
        }
    }

    /// Commits offsets without metadata from now on, and logs that once.
    pub(super) fn refuse_notes(&self) {
        if !self.notes_refused.swap(true, SeqCst) {
            let text = "the broker refuses what is committed beside offsets (offset.metadata.max.bytes): they are committed alone, \
                        and a topic that is made again while nobody runs is not noticed";
            self.errors.log("notes", text);
        }
    }

    /// Returns whether offsets are committed without metadata. Lanes read it for each store.
    pub(super) fn are_notes_refused(&self) -> bool {
        self.notes_refused.load(SeqCst)
    }

    /// Sets the thread that [`wake_control`](Self::wake_control) wakes from now on. Only the first call counts.
    pub(super) fn set_control(&self, waker: Waker) {
        // There is only one such thread.
        let _ = self.control.set(waker);
    }

    /// Wakes the control thread for a lane that has something to report. Any thread may call it.
    pub(super) fn wake_control(&self) {
        if let Some(waker) = self.control.get() {
            waker.wake_by_ref();
        }
    }

    /// Returns whether there are events that were not taken.
    pub(super) fn has_events(&self) -> bool {
        !self.events().is_empty()
    }

    /// Takes the oldest event.
    pub(super) fn take(&self) -> Option<ClientEvent> {
        self.events().pop_front()
    }

    /// Returns whether a partition fetches; `None` if it is not in the statistics. The answer may be as old as
    /// `statistics.interval.ms` (2 s by default).
    pub(super) fn is_fetching(&self, tp: &TopicPartition) -> Option<bool> {
        self.statistics().fetching.get(tp).copied()
    }

    /// Returns whether the last request for a partition's records was answered, with or without records, and not with
    /// an error; `None` if it is not in the statistics.
    pub(super) fn is_answered(&self, tp: &TopicPartition) -> Option<bool> {
        self.statistics().answered.get(tp).copied()
    }

    /// Returns whether a request to join, or for the partitions, may be in flight.
    pub(super) fn is_joining(&self) -> bool {
        self.joins.load(SeqCst)
    }

    /// Returns whether librdkafka would take the next assign or unassign for the answer to a rebalance, which may still
    /// be queued.
    pub(super) fn awaits_answer(&self) -> bool {
        self.asks.load(SeqCst)
    }

    /// Records librdkafka's name of the join state, from a log line or from the statistics.
    fn note_state(&self, state: &str) {
        self.asks.store(matches!(state, "wait-assign-call" | "wait-unassign-call"), SeqCst);
        // In the second state librdkafka waits for us: it has not sent another join request.
        self.joins.store(!matches!(state, "steady" | "wait-unassign-call"), SeqCst);
        self.joining.is_now(state);
    }

    fn statistics(&self) -> MutexGuard<'_, Statistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<ClientEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the state that a log line reports: `... changed join state init -> wait-join (state up)`. `None` if the
/// line reports anything else.
fn join_state(line: &str) -> Option<&str> {
    let (_, state) = line.split_once(" changed join state ")?.1.split_once(" -> ")?;
    state.split(' ').next()
}

/// Returns the position that a log line reports as unreadable: `... orders [3]: offset reset (at offset 5 (leader
/// epoch 0), broker 1) to ...: Broker: Offset out of range`. `None` for resets with another reason, such as a
/// partition without a committed offset.
fn out_of_range(line: &str) -> Option<(TopicPartition, i64)> {
    let (topic, rest) = line.split_once(": offset reset (at offset ")?;
    if !line.ends_with("Offset out of range") {
        return None;
    }
    // The thread's name may come before the topic: `[thrd:main]: `.
    let topic = topic.rsplit_once("]: ").map_or(topic, |(_, topic)| topic);
    let (topic, partition) = topic.strip_suffix(']')?.rsplit_once(" [")?;
    let at = rest.split([' ', ',', ')']).next()?;
    Some((TopicPartition::new(topic, partition.parse().ok()?), at.parse().ok()?))
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Nothing else reports it in time: the statistics come every 2 s, and not every join begins with a revocation.
        if facility == "CGRPJOINSTATE"
            && let Some(state) = join_state(message)
        {
            self.note_state(state);
        }
        if facility == "HEARTBEAT" && message.contains("response received for member") {
            self.joining.answered();
        }
        if facility == "OFFSET"
            && let Some((tp, at)) = out_of_range(message)
        {
            self.events().push_back(ClientEvent::OutOfRange(tp, at));
        }
        self.errors.client_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.client_error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.errors.look_for_connections(statistics);
        if let Some(statistics) = Statistics::parse(statistics) {
            if let Some(state) = &statistics.join_state {
                self.note_state(state);
            }
            *self.statistics() = statistics;
        }
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<TopicPartition> = list
            .elements()
            .iter()
            .map(|element| TopicPartition::new(element.topic(), element.partition()))
            .collect();
        let assign = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(SeqCst) {
            let answered = if assign {
                assignment::assign(consumer, &[])
            } else {
                assignment::unassign(consumer, &partitions)
            };
            if let Err(error) = answered {
                self.errors.log("answer", format_args!("answering a rebalance while closing: {error}"));
            }
            return;
        }
        self.events().push_back(if assign {
            ClientEvent::Assign(partitions)
        } else {
            ClientEvent::Revoke { partitions, lost: consumer.assignment_lost() }
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let whole = result.err().and_then(|error| error.rdkafka_error_code());
        let committed = offsets.elements().into_iter().filter_map(|element| {
            let Offset::Offset(next) = element.offset() else { return None };
            let own = element.error().err().and_then(|error| error.rdkafka_error_code());
            Some(Committed {
                tp: TopicPartition::new(element.topic(), element.partition()),
                next,
                error: own.or(whole),
            })
        });
        let committed = committed.collect();
        self.events().push_back(ClientEvent::Committed(committed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_join_is_read_from_its_line() {
        let line = r#"[thrd:main]: Group "billing" changed join state wait-assign-call -> steady (state up)"#;
        assert_eq!(join_state(line), Some("steady"));
        assert_eq!(
            join_state(r#"Group "billing" changed state up -> query-coord (join-state steady)"#),
            None
        );
    }

    #[test]
    fn a_rebalance_that_was_not_heard_of_waits_for_its_answer_all_the_same() {
        let context = GroupContext::new("billing".into(), Arc::new(ErrorLog::new("test")));
        let mut seen = Vec::new();
        for state in
            ["steady", "wait-unassign-call", "wait-unassign-to-complete", "wait-assign-call", "steady"]
        {
            let line =
                format!("[thrd:main]: Group \"billing\" changed join state init -> {state} (state up)");
            context.log(RDKafkaLogLevel::Debug, "CGRPJOINSTATE", &line);
            seen.push(context.awaits_answer());
        }
        assert_eq!(seen, [false, true, false, true, false]);
    }

    #[test]
    fn where_nothing_could_be_read_is_taken_from_its_line() {
        let line = "[thrd:main]: orders.eu [3]: offset reset (at offset 57 (leader epoch 0), broker 1) to cached BEGINNING \
                    offset offset 90 (leader epoch -1): fetch failed due to requested offset not available on the broker: \
                    Broker: Offset out of range";
        assert_eq!(out_of_range(line), Some((TopicPartition::new("orders.eu", 3), 57)));
        assert_eq!(
            out_of_range(&line.replace("[thrd:main]: ", "")),
            Some((TopicPartition::new("orders.eu", 3), 57))
        );
        assert_eq!(
            out_of_range(&line.replace("Broker: Offset out of range", "Local: No offset stored")),
            None
        );
        assert_eq!(out_of_range("orders [3]: offset reset"), None);
    }
}

//! librdkafka's callbacks of one membership. They only record events.

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

/// The events, in their order.
#[derive(Debug)]
pub(super) enum ClientEvent {
    Assign(Vec<TopicPartition>),
    Revoke {
        partitions: Vec<TopicPartition>,
        lost: bool,
    },
    Committed(Vec<Committed>),
    /// This offset could not be read: reading began again at the position that `auto.offset.reset` sets.
    OutOfRange(TopicPartition, i64),
}

/// The result of a commit for one partition.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) tp: TopicPartition,
    pub(super) next: i64,
    pub(super) error: Option<RDKafkaErrorCode>,
}

/// The state that the callbacks write.
pub(crate) struct GroupContext {
    pub(super) group: Arc<str>,
    pub(super) errors: Arc<ErrorLog>,
    /// Rebalances are answered in the callback, because nothing reads the recorded ones any more.
    pub(super) closing: AtomicBool,
    /// The client is about to receive its partitions.
    joins: AtomicBool,
    /// A rebalance waits for our answer, whether or not its event was taken.
    asks: AtomicBool,
    /// The broker refuses metadata beside an offset.
    notes_refused: AtomicBool,
    /// Leaders whose threads sleep after a rebalance.
    pub(super) sleepers: Sleepers,
    /// Whether the client is in its group.
    pub(super) joining: Joining,
    /// Whether its control thread turns.
    pub(super) pulse: Pulse,
    /// Wakes the control thread.
    control: OnceLock<Waker>,
    events: Mutex<VecDeque<ClientEvent>>,
    /// The last statistics.
    statistics: Mutex<Statistics>,
}

impl GroupContext {
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

    /// Commits offsets without metadata from now on.
    pub(super) fn refuse_notes(&self) {
        if !self.notes_refused.swap(true, SeqCst) {
            let text = "the broker refuses what is committed beside offsets (offset.metadata.max.bytes): they are committed alone, \
                        and a topic that is made again while nobody runs is not noticed";
            self.errors.log("notes", text);
        }
    }

    pub(super) fn are_notes_refused(&self) -> bool {
        self.notes_refused.load(SeqCst)
    }

    /// Sets the thread that [`wake_control`](Self::wake_control) wakes from now on.
    pub(super) fn set_control(&self, waker: Waker) {
        // There is only one such thread.
        let _ = self.control.set(waker);
    }

    /// Wakes the control thread for a lane.
    pub(super) fn wake_control(&self) {
        if let Some(waker) = self.control.get() {
            waker.wake_by_ref();
        }
    }

    /// Returns whether there are events that were not taken.
    pub(super) fn has_events(&self) -> bool {
        !self.events().is_empty()
    }

    pub(super) fn take(&self) -> Option<ClientEvent> {
        self.events().pop_front()
    }

    /// Returns whether a partition fetches; `None` if it is not in the statistics.
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

/// Returns the state that a log line reports: `... changed join state init -> wait-join (state up)`.
fn join_state(line: &str) -> Option<&str> {
    let (_, state) = line.split_once(" changed join state ")?.1.split_once(" -> ")?;
    state.split(' ').next()
}

/// Returns the position that a log line reports as unreadable: `... orders [3]: offset reset (at offset 5 (leader epoch
/// 0), broker 1) to ...: Broker: Offset out of range`.
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

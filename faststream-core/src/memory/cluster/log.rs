//! The log of one partition, and the readers that wait for more records.
//!
//! Offsets are dense: 0, 1, 2 and so on, without the gaps that compaction and transactions leave in Kafka. Each
//! log has a lock of its own, so a lane reads without the lock of the cluster.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::TopicPartition;
use crate::broker::SeekTo;
use crate::record::Outgoing;
use crate::record::Record;

/// The log of one partition.
#[derive(Debug)]
pub(in crate::memory) struct PartitionLog {
    /// The topic.
    pub(in crate::memory) topic: Arc<str>,
    /// The partition.
    pub(in crate::memory) partition: i32,
    /// The records and the waiting readers. Whoever also needs the lock of the cluster takes that one first.
    inner: Mutex<Inner>,
}

/// The content of a log.
#[derive(Debug, Default)]
struct Inner {
    /// The offset of the first record that is kept: 0, until retention deletes some.
    start: i64,
    /// The records that are kept, in offset order. Shared, so that a read copies pointers.
    records: Vec<Arc<StoredRecord>>,
    /// The readers to wake at the next append, at a reconnection, or both.
    waiting: Vec<Waker>,
}

/// A record in a log.
#[derive(Debug)]
pub(in crate::memory) struct StoredRecord {
    /// Its record offset.
    pub(in crate::memory) offset: i64,
    /// Its time in milliseconds of Unix time: that of the record, or the broker's time of the append.
    pub(in crate::memory) timestamp: i64,
    /// The record as it was published.
    pub(in crate::memory) record: Outgoing,
}

impl StoredRecord {
    /// Returns the record as a handler sees it. A record without headers has `None`, as in a fetch from Kafka.
    pub(in crate::memory) fn borrow(&self, partition: i32) -> Record<'_> {
        Record {
            topic: &self.record.topic,
            partition,
            offset: self.offset,
            timestamp: Some(self.timestamp),
            key: self.record.key.as_deref(),
            payload: self.record.payload.as_deref(),
            headers: if self.record.headers.is_empty() { None } else { Some(&self.record.headers) },
        }
    }
}

impl PartitionLog {
    /// Returns the topic and the partition of this log.
    pub(in crate::memory) fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), self.partition)
    }

    /// Returns an empty log.
    pub(in crate::memory) fn new(topic: Arc<str>, partition: i32) -> Self {
        Self { topic, partition, inner: Mutex::default() }
    }

    /// Appends a record, and returns its offset. Wakes every waiting reader. `now_ms` is its time if it has none.
    pub(in crate::memory) fn append(&self, record: Outgoing, now_ms: i64) -> i64 {
        let mut inner = self.lock();
        let offset = inner.end();
        let timestamp = record.timestamp.unwrap_or(now_ms);
        inner.records.push(Arc::new(StoredRecord { offset, timestamp, record }));
        let waiting = std::mem::take(&mut inner.waiting);
        // A waker runs code of others: never under the lock of the log.
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
        offset
    }

    /// Returns the offset of the first record that is kept, which is the end of an empty log.
    pub(in crate::memory) fn start(&self) -> i64 {
        self.lock().start
    }

    /// Returns the offset that the next record gets.
    pub(in crate::memory) fn end(&self) -> i64 {
        self.lock().end()
    }

    /// Returns the next offset of a reader that goes there; the range of those that there are if there is none.
    pub(in crate::memory) fn find(&self, to: SeekTo) -> Result<i64, RangeInclusive<i64>> {
        let inner = self.lock();
        let range = inner.start..=inner.end();
        match to {
            SeekTo::Beginning => Ok(inner.start),
            SeekTo::End => Ok(inner.end()),
            SeekTo::Offset(offset) if range.contains(&offset) => Ok(offset),
            SeekTo::Offset(_) => Err(range),
            SeekTo::Timestamp(from) => {
                let found = inner.records.iter().find(|record| record.timestamp >= from);
                Ok(found.map_or(inner.end(), |record| record.offset))
            }
        }
    }

    /// Deletes the records before `offset`, as retention does. An offset outside the log is moved into it.
    pub(in crate::memory) fn truncate_before(&self, offset: i64) {
        let mut inner = self.lock();
        let gone = offset.clamp(inner.start, inner.end()) - inner.start;
        inner.start += gone;
        inner.records.drain(..usize::try_from(gone).expect("not negative"));
    }

    /// Adds records to `into`, `max` at most, and returns the next offset to read. It starts at `from`, or at the
    /// oldest record that is kept if `from` was deleted.
    ///
    /// Pending has registered the waker, once for each task. `max` is 1 or more.
    pub(in crate::memory) fn poll_read(
        &self,
        from: i64,
        max: usize,
        into: &mut Vec<Arc<StoredRecord>>,
        cx: &mut Context<'_>,
    ) -> Poll<i64> {
        let mut inner = self.lock();
        let index = usize::try_from(from - inner.start).unwrap_or(0).min(inner.records.len());
        let found = &inner.records[index..];
        into.extend(found[..found.len().min(max)].iter().cloned());
        if let Some(last) = into.last() {
            return Poll::Ready(last.offset + 1);
        }
        if !inner.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            inner.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Returns all records that are kept.
    pub(in crate::memory) fn all(&self) -> Vec<Arc<StoredRecord>> {
        self.lock().records.clone()
    }

    /// Wakes the waiting readers, though no record was appended: the cluster can be reached again.
    pub(in crate::memory) fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Registers a reader that may not read now, because the cluster is disconnected.
    pub(in crate::memory) fn wait(&self, waker: &Waker) {
        self.lock().waiting.push(waker.clone());
    }

    /// Takes the lock. A panic of an earlier holder is ignored.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Returns the offset that the next record gets.
    fn end(&self) -> i64 {
        self.start + i64::try_from(self.records.len()).expect("fits")
    }
}

//! One partition's records, and the readers that wait for more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::TopicPartition;
use crate::record::Outgoing;
use crate::record::Record;

#[derive(Debug)]
pub(in crate::memory) struct PartitionLog {
    pub(in crate::memory) topic: Arc<str>,
    pub(in crate::memory) partition: i32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The offset of the first record that is kept.
    start: i64,
    records: Vec<Arc<StoredRecord>>,
    waiting: Vec<Waker>,
}

/// A record as it is kept.
#[derive(Debug)]
pub(in crate::memory) struct StoredRecord {
    pub(in crate::memory) offset: i64,
    pub(in crate::memory) timestamp: i64,
    pub(in crate::memory) record: Outgoing,
}

impl StoredRecord {
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
    pub(in crate::memory) fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), self.partition)
    }

    pub(in crate::memory) fn new(topic: Arc<str>, partition: i32) -> Self {
        Self { topic, partition, inner: Mutex::default() }
    }

    pub(in crate::memory) fn append(&self, record: Outgoing, now_ms: i64) -> i64 {
        let mut inner = self.lock();
        let offset = inner.end();
        let timestamp = record.timestamp.unwrap_or(now_ms);
        inner.records.push(Arc::new(StoredRecord { offset, timestamp, record }));
        let waiting = std::mem::take(&mut inner.waiting);
        // A waker runs code of others: never under a lock.
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
        offset
    }

    pub(in crate::memory) fn start(&self) -> i64 {
        self.lock().start
    }

    pub(in crate::memory) fn end(&self) -> i64 {
        self.lock().end()
    }

    /// Retention: records before `offset` are gone.
    pub(in crate::memory) fn truncate_before(&self, offset: i64) {
        let mut inner = self.lock();
        let gone = offset.clamp(inner.start, inner.end()) - inner.start;
        inner.start += gone;
        inner.records.drain(..usize::try_from(gone).expect("not negative"));
    }

    /// Records from `from` on, or from the oldest that is kept.
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

    pub(in crate::memory) fn all(&self) -> Vec<Arc<StoredRecord>> {
        self.lock().records.clone()
    }

    pub(in crate::memory) fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(in crate::memory) fn wait(&self, waker: &Waker) {
        self.lock().waiting.push(waker.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end(&self) -> i64 {
        self.start + i64::try_from(self.records.len()).expect("fits")
    }
}

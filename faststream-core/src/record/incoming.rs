//! One record: borrowed from the lane's current batch, or copied out of it.

use bytes::Bytes;

/// A record inside the lane's current batch. A copy of this value copies only pointers.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The topic that the record was read from.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The record's own offset.
    pub offset: i64,
    /// Milliseconds since the epoch; `None` if the broker has no timestamp.
    pub timestamp: Option<i64>,
    /// The key. An empty key is not a missing key.
    pub key: Option<&'a [u8]>,
    /// The payload. `None` is a tombstone; an empty payload is not.
    pub payload: Option<&'a [u8]>,
    /// The headers, read lazily: a backend walks its native list only on request. `None` if there are none.
    pub headers: Option<&'a (dyn HeaderList + Sync)>,
}

/// Headers by position. Order, duplicates and null values are kept.
pub trait HeaderList {
    /// Returns the header at `index`, or `None` beyond the last. Names are bytes, because Kafka promises no encoding.
    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)>;
}

/// A record that no longer needs its batch: waiting, retried, or queued behind its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The record's own offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The payload.
    pub payload: Option<Bytes>,
    /// Header names and values, in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl HeaderList for Vec<(Bytes, Option<Bytes>)> {
    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
        self.get(index).map(|(name, value)| (&name[..], value.as_deref()))
    }
}

impl<'a> Record<'a> {
    /// Copies everything except topic and partition, which stay with the lane.
    #[must_use]
    pub fn to_owned_record(&self) -> OwnedRecord {
        let copy = |(name, value): (&[u8], Option<&[u8]>)| {
            (Bytes::copy_from_slice(name), value.map(Bytes::copy_from_slice))
        };
        OwnedRecord {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.map(Bytes::copy_from_slice),
            payload: self.payload.map(Bytes::copy_from_slice),
            headers: self.headers().map(copy).collect(),
        }
    }

    /// Returns the headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let list = self.headers;
        (0..).map_while(move |index| list?.header(index))
    }

    /// Returns the last header of this name, read in place; `None` if there is none or its value is null.
    #[must_use]
    pub fn header(&self, name: impl AsRef<[u8]>) -> Option<&'a [u8]> {
        self.headers().filter(|(candidate, _)| *candidate == name.as_ref()).last()?.1
    }
}

impl OwnedRecord {
    /// Returns the record as a lane's handler reads it.
    #[must_use]
    pub fn borrow<'a>(&'a self, topic: &'a str, partition: i32) -> Record<'a> {
        Record {
            topic,
            partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            headers: if self.headers.is_empty() { None } else { Some(&self.headers) },
        }
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, partition, offset, .. } = self;
        write!(f, "{topic}/{partition}@{offset}")
    }
}

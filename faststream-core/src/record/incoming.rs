//! One record: borrowed from the lane's current batch, or copied out of it.

use bytes::Bytes;

/// A record inside the lane's current batch. Copying this copies pointers only.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The topic it was read from.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The record's own offset.
    pub offset: i64,
    /// Milliseconds since the epoch; `None` if the broker has none.
    pub timestamp: Option<i64>,
    /// The key; an empty key is not a missing one.
    pub key: Option<&'a [u8]>,
    /// The payload; `None` is a tombstone, an empty payload is not.
    pub payload: Option<&'a [u8]>,
    /// Lazy: a backend walks its native list only when somebody asks. `None` if there are none.
    pub headers: Option<&'a (dyn HeaderList + Sync)>,
}

/// Headers by position: order, duplicates and null values are kept.
pub trait HeaderList {
    /// The header at `index`; `None` beyond the last. Names are bytes: Kafka promises no encoding.
    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)>;
}

/// A record that no longer needs its batch: waiting, retried, queued behind its key.
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
    /// Names and values in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl HeaderList for Vec<(Bytes, Option<Bytes>)> {
    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
        self.get(index).map(|(name, value)| (&name[..], value.as_deref()))
    }
}

impl<'a> Record<'a> {
    /// Copies everything but topic and partition, which stay with the lane.
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

    /// The headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let list = self.headers;
        (0..).map_while(move |index| list?.header(index))
    }

    /// The last header of this name, read in place; `None` if there is none or it is null.
    #[must_use]
    pub fn header(&self, name: impl AsRef<[u8]>) -> Option<&'a [u8]> {
        self.headers().filter(|(candidate, _)| *candidate == name.as_ref()).last()?.1
    }
}

impl OwnedRecord {
    /// The record as a lane's handler reads it.
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

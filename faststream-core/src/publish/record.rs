//! A value to publish, with its key, headers, partition and timestamp.

use bytes::Bytes;

use super::IntoBytes;

/// A value to publish with its key, headers, partition and timestamp. A `#[publisher]` returns it, or a
/// [`Publisher`](super::Publisher) sends it, when the value alone is not enough.
///
/// ```
/// use faststream::Publish;
///
/// let order = Publish::new("pen").key(42).header("tenant", "acme").partition(0);
/// let gone = Publish::tombstone().key(42);
/// # let _: (Publish<&str>, Publish<()>) = (order, gone);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "this is only published when it is returned or sent"]
pub struct Publish<T = ()> {
    /// The value; `None` is a tombstone.
    pub(super) value: Option<T>,
    pub(super) key: Option<Bytes>,
    /// Why the key cannot be written.
    pub(super) key_fault: Option<Box<str>>,
    pub(super) headers: Vec<(Bytes, Option<Bytes>)>,
    pub(super) partition: Option<i32>,
    pub(super) timestamp: Option<i64>,
}

impl<T> Publish<T> {
    /// Returns a record of the value and nothing else.
    pub fn new(value: T) -> Self {
        Self::of(Some(value))
    }

    /// Returns a record of the value, or a tombstone.
    pub fn maybe(value: Option<T>) -> Self {
        Self::of(value)
    }

    /// Returns the value; `None` is a tombstone. Use it for the key of a `#[publisher]` whose handler returns a
    /// `Publish`: `key = |order: &Publish<Order>| order.value().map(|order| order.id)`.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Sets the key: bytes, text, or a number (as text). NaN and infinities are refused when the record is published.
    pub fn key(mut self, key: impl IntoBytes) -> Self {
        self.key_fault = key.key_fault().map(Into::into);
        self.key = key.into_bytes();
        self
    }

    /// Adds a header after the others; `None` is a null value. A name that contains a NUL byte is refused when the
    /// record is published.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl IntoBytes) -> Self {
        self.headers.push((Bytes::copy_from_slice(name.as_ref()), value.into_bytes()));
        self
    }

    /// Adds headers after the others, such as those of the record that is handled: a
    /// [`Headers`](crate::delivery::Headers).
    pub fn headers(mut self, headers: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets the partition, instead of the one that the key's hash selects. The record is refused if the partition does
    /// not exist.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the record's time, in milliseconds since the epoch. Defaults to now. A time before 1970, 0, and a time
    /// after the year 2100 are refused. Kafka 4 refuses a time more than an hour ahead of its clock, unless the topic's
    /// `message.timestamp.after.max.ms` sets another limit. The in-memory broker refuses a time more than an hour ahead
    /// of both the test's clock and the machine's, because code under test uses either.
    pub fn timestamp(mut self, milliseconds: i64) -> Self {
        self.timestamp = Some(milliseconds);
        self
    }

    fn of(value: Option<T>) -> Self {
        Self { value, key: None, key_fault: None, headers: Vec::new(), partition: None, timestamp: None }
    }
}

impl Publish<()> {
    /// Returns a tombstone: a record without payload, with which a compacted topic deletes the key.
    pub fn tombstone() -> Self {
        Self::of(None)
    }
}

impl<T> From<T> for Publish<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

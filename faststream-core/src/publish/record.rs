//! A value to publish, with what goes along with it.

use bytes::Bytes;

use super::IntoBytes;

/// A value to publish with its key, headers, partition and timestamp: what a `#[publisher]` returns, or what a
/// [`Publisher`](super::Publisher) sends, when the value alone does not say enough.
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
    /// `None` is a tombstone.
    pub(super) value: Option<T>,
    pub(super) key: Option<Bytes>,
    /// Why its key cannot be written.
    pub(super) key_fault: Option<Box<str>>,
    pub(super) headers: Vec<(Bytes, Option<Bytes>)>,
    pub(super) partition: Option<i32>,
    pub(super) timestamp: Option<i64>,
}

impl<T> Publish<T> {
    /// The value, and nothing else.
    pub fn new(value: T) -> Self {
        Self::of(Some(value))
    }

    /// The value, or a tombstone.
    pub fn maybe(value: Option<T>) -> Self {
        Self::of(value)
    }

    /// Returns the value; `None` is a tombstone. For the key of a `#[publisher]` whose handler returns a `Publish`:
    /// `key = |order: &Publish<Order>| order.value().map(|order| order.id)`.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Sets the key: bytes, text, or a number (as its text). NaN and infinities are refused when it is published.
    pub fn key(mut self, key: impl IntoBytes) -> Self {
        self.key_fault = key.key_fault().map(Into::into);
        self.key = key.into_bytes();
        self
    }

    /// Adds a header behind the others; `None` is a null value. A name with a NUL byte in it is refused when it is
    /// published.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl IntoBytes) -> Self {
        self.headers.push((Bytes::copy_from_slice(name.as_ref()), value.into_bytes()));
        self
    }

    /// Adds headers behind the others, as those of the record that is handled: a
    /// [`Headers`](crate::delivery::Headers).
    pub fn headers(mut self, headers: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets the partition, instead of the one that the key's hash names. Refused if it does not exist.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the record's time, in milliseconds since the epoch, instead of now. A time before 1970, 0, and one after the
    /// year 2100 are refused. Kafka 4 refuses what lies more than an hour ahead of its clock, unless the topic's
    /// `message.timestamp.after.max.ms` says otherwise. The in-memory broker does so with what is more than an hour ahead of
    /// both the test's clock and the machine's: code under test takes the time from either.
    pub fn timestamp(mut self, milliseconds: i64) -> Self {
        self.timestamp = Some(milliseconds);
        self
    }

    fn of(value: Option<T>) -> Self {
        Self { value, key: None, key_fault: None, headers: Vec::new(), partition: None, timestamp: None }
    }
}

impl Publish<()> {
    /// A tombstone: a record without payload, by which a compacted topic forgets the key.
    pub fn tombstone() -> Self {
        Self::of(None)
    }
}

impl<T> From<T> for Publish<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

//! All headers of a record, owned.

use bytes::Bytes;

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::record::{HeaderList, Record};
use crate::result::Rejection;

/// All headers of a record: a multimap of bytes.
///
/// Order, duplicates and nulls are kept, and neither names nor values have to be UTF-8. If a name occurs more than
/// once, [`get`](Self::get) and [`text`](Self::text) return the last value, as Kafka's own `lastHeader` does. A name
/// that was written with a NUL byte in it is read up to that byte: librdkafka returns names as C strings.
///
/// ```
/// use faststream::{FastStream, Headers, Publish, TestApp, memory::MemoryBroker, publisher, subscriber};
///
/// /// Passes the headers on.
/// #[subscriber(topic = "orders")]
/// #[publisher(topic = "invoices")]
/// async fn bill(order: u64, headers: Headers) -> Publish<u64> {
///     assert_eq!(headers.text("tenant"), Some("acme"));
///     Publish::new(order).headers(headers)
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", Publish::new(1_u64).header("tenant", "acme")).await;
/// assert_eq!(app.published::<u64>("invoices").headers("tenant"), [Some("acme".to_owned())]);
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    list: Vec<(Bytes, Option<Bytes>)>,
}

impl Headers {
    /// Returns an empty list of headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header after all others; `None` is a null value.
    pub fn push(&mut self, name: impl Into<Bytes>, value: Option<impl Into<Bytes>>) {
        self.list.push((name.into(), value.map(Into::into)));
    }

    /// Returns the last value of this name; `None` if there is none or it is null.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.get_all(name).next_back().flatten()
    }

    /// Returns every value of this name in order, nulls as `None`.
    ///
    /// ```
    /// use faststream::Headers;
    ///
    /// let mut headers = Headers::new();
    /// headers.push("via", Some("a"));
    /// headers.push("via", None::<&str>);
    /// headers.push("via", Some("b"));
    /// let values: Vec<_> = headers.get_all("via").collect();
    /// assert_eq!(values, [Some(&b"a"[..]), None, Some(&b"b"[..])]);
    /// assert_eq!((headers.len(), headers.text("via"), headers.contains("by")), (3, Some("b"), false));
    /// ```
    pub fn get_all(&self, name: impl AsRef<[u8]>) -> impl DoubleEndedIterator<Item = Option<&[u8]>> {
        self.iter().filter(move |(candidate, _)| *candidate == name.as_ref()).map(|(_, value)| value)
    }

    /// Returns the last value of this name as text; `None` if there is none, it is null, or not UTF-8.
    #[must_use]
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Returns whether there is a header of this name, even if its value is null.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get_all(name).next().is_some()
    }

    /// Returns all headers in order: name and value, `None` for null.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], Option<&[u8]>)> + ExactSizeIterator {
        self.list.iter().map(|(name, value)| (&name[..], value.as_deref()))
    }

    /// Returns the number of headers, duplicates counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Copies the headers of a record.
    #[must_use]
    pub fn copy_of(record: &Record<'_>) -> Self {
        let copy = |(name, value): (&[u8], Option<&[u8]>)| {
            (Bytes::copy_from_slice(name), value.map(Bytes::copy_from_slice))
        };
        Self { list: record.headers().map(copy).collect() }
    }
}

impl FromDelivery for Headers {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Self::copy_of(&delivery.record))
    }
}

impl HeaderList for Headers {
    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
        self.list.header(index)
    }
}

impl From<Vec<(Bytes, Option<Bytes>)>> for Headers {
    fn from(list: Vec<(Bytes, Option<Bytes>)>) -> Self {
        Self { list }
    }
}

impl FromIterator<(Bytes, Option<Bytes>)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Bytes, Option<Bytes>)>>(headers: I) -> Self {
        Self { list: headers.into_iter().collect() }
    }
}

impl IntoIterator for Headers {
    type Item = (Bytes, Option<Bytes>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::DeliveryFixture;

    fn read(fixture: &DeliveryFixture) -> Headers {
        Headers::from_delivery(&fixture.delivery()).unwrap()
    }

    #[test]
    fn order_duplicates_and_nulls_are_kept() {
        let headers = read(
            &DeliveryFixture::new("t").header("b", "1").null_header("a").header("b", "2").header("c", ""),
        );
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [(&b"b"[..], Some(&b"1"[..])), (b"a", None), (b"b", Some(b"2")), (b"c", Some(b""))]);
        assert_eq!(headers.get_all("b").collect::<Vec<_>>(), [Some(&b"1"[..]), Some(b"2")]);
        assert_eq!(headers.get("b"), Some(&b"2"[..]));
        assert_eq!(headers.text("b"), Some("2"));
    }

    #[test]
    fn a_null_is_there_without_a_value() {
        let headers = read(&DeliveryFixture::new("t").header("a", "1").null_header("a"));
        assert!(headers.contains("a") && !headers.contains("b"));
        assert_eq!(headers.get("a"), None);
        assert_eq!(headers.text("a"), None);
    }

    #[test]
    fn names_and_values_that_are_not_utf8_are_readable() {
        let headers = read(&DeliveryFixture::new("t").header(&b"\xff"[..], &b"\xfe"[..]));
        assert_eq!(headers.get(b"\xff"), Some(&b"\xfe"[..]));
        assert_eq!(headers.text(b"\xff"), None);
    }

    #[test]
    fn no_headers_are_no_headers() {
        assert!(read(&DeliveryFixture::new("t")).is_empty());
    }
}

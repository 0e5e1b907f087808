//! The records that were published to a topic, decoded.

use std::any::type_name;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::record::OwnedRecord;

/// The records of a topic, with JSON payloads of type `T`, by partition and offset.
///
/// ```
/// use faststream::{FastStream, TestApp, memory::MemoryBroker, publisher, subscriber};
///
/// #[subscriber(topic = "orders")]
/// #[publisher(topic = "invoices", key = |total: &u64| *total)]
/// async fn bill(order: u64) -> u64 {
///     order * 3
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &2).await;
/// let invoices = app.published::<u64>("invoices");
/// assert_eq!(invoices.single(), 6);
/// assert_eq!((invoices.all(), invoices.keys()), (vec![6], vec![Some("6".to_owned())]));
/// # });
/// ```
#[derive(Debug)]
pub struct Published<T> {
    /// The topic, for messages.
    topic: String,
    /// The records, by partition and offset.
    records: Vec<(i32, OwnedRecord)>,
    /// The type of the payloads.
    payload: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Published<T> {
    /// Returns the records of a topic. They are decoded when a test asks for values.
    pub(super) fn new(topic: &str, records: Vec<(i32, OwnedRecord)>) -> Self {
        Self { topic: topic.to_owned(), records, payload: PhantomData }
    }

    /// Returns the only value.
    ///
    /// # Panics
    /// If there is none or more than one (they are listed), or if it is not a `T`.
    #[must_use]
    #[track_caller]
    pub fn single(&self) -> T {
        self.decode(self.only())
    }

    /// Returns the only record, as it is, with its partition.
    ///
    /// # Panics
    /// If there is none or more than one (they are listed).
    #[must_use]
    #[track_caller]
    pub fn single_record(&self) -> (i32, OwnedRecord) {
        self.only().clone()
    }

    /// Returns the only record.
    #[track_caller]
    fn only(&self) -> &(i32, OwnedRecord) {
        match &self.records[..] {
            [record] => record,
            [] => panic!("one record was expected in {}, there is none", self.topic),
            records => panic!(
                "one record was expected in {}, there are {}: {}",
                self.topic,
                records.len(),
                self.list()
            ),
        }
    }

    /// Returns all values, without tombstones.
    ///
    /// # Panics
    /// If one is not a `T`.
    #[must_use]
    #[track_caller]
    pub fn all(&self) -> Vec<T> {
        let mut all = Vec::new();
        for record in self.records.iter().filter(|(_, record)| record.payload.is_some()) {
            all.push(self.decode(record));
        }
        all
    }

    /// Returns how many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the keys, as text.
    #[must_use]
    pub fn keys(&self) -> Vec<Option<String>> {
        let text = |key: &Bytes| String::from_utf8_lossy(key).into_owned();
        self.records.iter().map(|(_, record)| record.key.as_ref().map(text)).collect()
    }

    /// Returns the values of a header, as text: the last one of each record, `None` where it is missing or null.
    #[must_use]
    pub fn headers(&self, name: &str) -> Vec<Option<String>> {
        let value = |(_, record): &(i32, OwnedRecord)| {
            let found = record.headers.iter().rev().find(|(known, _)| known == name.as_bytes())?;
            found.1.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())
        };
        self.records.iter().map(value).collect()
    }

    /// Returns the records as they are, with their partitions.
    #[must_use]
    pub fn records(&self) -> &[(i32, OwnedRecord)] {
        &self.records
    }

    /// Decodes a payload.
    ///
    /// # Panics
    /// If it is none of a `T`, or a tombstone: with its position and its text.
    #[track_caller]
    fn decode(&self, (partition, record): &(i32, OwnedRecord)) -> T {
        let place = || format!("{}/{partition}, offset {}", self.topic, record.offset);
        let Some(payload) = &record.payload else { panic!("{} is a tombstone", place()) };
        match serde_json::from_slice(payload) {
            Ok(value) => value,
            Err(error) => {
                let text = String::from_utf8_lossy(payload);
                panic!("{} is no `{}`: {error}: {text}", place(), type_name::<T>())
            }
        }
    }

    /// Returns the first ten records in one line, for a message.
    fn list(&self) -> String {
        let text = |(partition, record): &(i32, OwnedRecord)| {
            let payload = record.payload.as_deref().map_or("(tombstone)".into(), String::from_utf8_lossy);
            format!("{partition}@{} {payload}", record.offset)
        };
        self.records.iter().take(10).map(text).collect::<Vec<_>>().join("; ")
    }
}

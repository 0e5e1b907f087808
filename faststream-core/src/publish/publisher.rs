//! Publishing from handlers and hooks.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::broker::{Producer, PublishError, PublishErrorKind, Published, Receipt};
use crate::publish::many::{Many, QUEUE_FULL};
use crate::publish::{IntoBytes, IntoOutgoing, Publish};
use crate::record::Outgoing;

/// Publishes records explicitly. An argument of handlers, and available to hooks. Clones are cheap.
///
/// Records go to the broker that the handler reads from. A record that is published this way is independent of the
/// call: if the call then fails, its record is handled again, and the published records may be published twice.
///
/// ```
/// use faststream::{FastStream, Publish, Publisher, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(order: u64, publisher: Publisher) -> anyhow::Result<()> {
///     let written = publisher.send("invoices", Publish::new(order * 3).key(order)).await?;
///     println!("invoices/{} at {}", written.partition, written.offset);
///     Ok(())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// // `lenient`: no attribute names the topic `invoices`.
/// let app = TestApp::start(app).await.lenient();
/// app.publish("orders", &2).await;
/// assert_eq!(app.published::<u64>("invoices").single(), 6);
/// # });
/// ```
#[derive(Clone)]
pub struct Publisher {
    producer: Arc<dyn Producer>,
}

impl Publisher {
    /// Returns a publisher on this producer.
    pub(crate) fn new(producer: Arc<dyn Producer>) -> Self {
        Self { producer }
    }

    /// Publishes a value, or a [`Publish`] of one, and waits until the broker has confirmed it.
    ///
    /// # Errors
    /// If the value cannot be encoded, or the broker refuses it.
    pub async fn send(&self, topic: &str, value: impl IntoOutgoing) -> Result<Published, PublishError> {
        self.send_record(encode(&shared(topic), value)?).await
    }

    /// Publishes a value without waiting. The receipt resolves once the broker has confirmed the record. The receipt
    /// also reports a full queue of the client.
    ///
    /// # Errors
    /// If the value cannot be encoded.
    ///
    /// ```
    /// use faststream::{FastStream, Publisher, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// /// Hands over two records, and then waits for both.
    /// #[subscriber(topic = "orders")]
    /// async fn bill(order: u64, publisher: Publisher) -> anyhow::Result<()> {
    ///     let invoice = publisher.enqueue("invoices", order * 3)?;
    ///     let mail = publisher.enqueue("mails", format!("pay {order}"))?;
    ///     invoice.await?;
    ///     mail.await?;
    ///     Ok(())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await.lenient();
    /// app.publish("orders", &2).await;
    /// assert_eq!(app.published::<String>("mails").single(), "pay 2");
    /// # });
    /// ```
    pub fn enqueue(&self, topic: &str, value: impl IntoOutgoing) -> Result<Receipt, PublishError> {
        Ok(self.producer.receipt(&encode(&shared(topic), value)?))
    }

    /// Publishes many values, and waits for all of them. The results are in the order of the values, and each error is
    /// at its own position. The values are encoded one by one, as fast as the client accepts them: while its queue is
    /// full, they wait.
    ///
    /// An iterator whose closure takes references (`orders.iter().map(|order| ..)`) is kept during the wait, and the
    /// compiler may refuse the handler with "implementation of `FnOnce` is not general enough". Collect it into a `Vec`
    /// first.
    ///
    /// ```
    /// use faststream::{FastStream, Publisher, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "ranges")]
    /// async fn count(end: u64, publisher: Publisher) -> anyhow::Result<()> {
    ///     for result in publisher.send_all("numbers", 0..end).await {
    ///         result?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("numbers");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await.lenient();
    /// app.publish("ranges", &100).await;
    /// assert_eq!(app.published::<u64>("numbers").len(), 100);
    /// # });
    /// ```
    pub async fn send_all<V: IntoOutgoing>(
        &self,
        topic: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Vec<Result<Published, PublishError>> {
        let topic = shared(topic);
        let mut many = Many::default();
        for value in values {
            match encode(&topic, value) {
                Ok(record) => many.send(&*self.producer, &record).await,
                Err(error) => many.refuse(error),
            }
        }
        let name = |(index, result): (usize, Result<Published, PublishError>)| {
            result.map_err(|error| PublishError {
                message: format!("record {index} of this batch: {}", error.message),
                topic: topic.to_string(),
                ..error
            })
        };
        many.results().await.into_iter().enumerate().map(name).collect()
    }

    /// Publishes a tombstone for a key, and waits until the broker has confirmed it.
    ///
    /// # Errors
    /// If the broker refuses it.
    ///
    /// ```
    /// use faststream::{FastStream, Key, Publish, Publisher, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "goodbyes")]
    /// async fn forget(_reason: String, Key(user): Key<String>, publisher: Publisher) -> anyhow::Result<()> {
    ///     publisher.tombstone("profiles", user).await?;
    ///     Ok(())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("profiles");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await.lenient();
    /// app.publish("goodbyes", Publish::new("moved").key("ann")).await;
    /// let profiles = app.published::<String>("profiles");
    /// assert_eq!(profiles.keys(), [Some("ann".to_owned())]);
    /// assert!(profiles.records()[0].1.payload.is_none());
    /// # });
    /// ```
    pub async fn tombstone(&self, topic: &str, key: impl IntoBytes) -> Result<Published, PublishError> {
        self.send(topic, Publish::tombstone().key(key)).await
    }

    /// Waits until everything that was published before is confirmed or refused.
    pub async fn flush(&self) {
        self.producer.flush().await;
    }

    async fn send_record(&self, record: Outgoing) -> Result<Published, PublishError> {
        loop {
            match self.producer.receipt(&record).await {
                Err(error) if error.kind == PublishErrorKind::QueueFull => {
                    tokio::time::sleep(QUEUE_FULL).await;
                }
                result => return result,
            }
        }
    }
}

thread_local! {
    /// The topic of the last record, which is often the next one's, too, so that its name is not copied for each
    /// record.
    static LAST: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

fn shared(topic: &str) -> Arc<str> {
    LAST.with_borrow_mut(|last| match last {
        Some(last) if **last == *topic => Arc::clone(last),
        _ => Arc::clone(last.insert(topic.into())),
    })
}

fn encode(topic: &Arc<str>, value: impl IntoOutgoing) -> Result<Outgoing, PublishError> {
    value.into_outgoing(Arc::clone(topic)).map_err(|error| PublishError {
        kind: PublishErrorKind::Permanent,
        topic: topic.to_string(),
        message: error.to_string(),
    })
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Publisher")
    }
}

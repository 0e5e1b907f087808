//! The observers of an app: what they are notified of, and the list of them.

use std::fmt;
use std::sync::Arc;

use crate::broker::Epoch;
use crate::result::{Disposition, Outcome, Verdict};

/// Is notified of every call, on the lane's task. Implementations must be quick and must not block.
pub trait Observer: Send + Sync {
    /// Reports that a call is about to begin.
    fn begins(&self, _begin: &CallBegin<'_>) {}

    /// Reports that a plain function begins, on its own thread. [`begins`](Self::begins) reported it when it was
    /// queued.
    fn plain_begins(&self, _begin: &CallBegin<'_>) {}

    /// Reports that a plain function ended, on its own thread, whether or not anybody waits for it.
    fn plain_ended(&self, _begin: &CallBegin<'_>) {}

    /// Reports that the user settled an `Ack`.
    fn manually_settled(&self, _settled: &ManuallySettled<'_>) {}

    /// Reports that a call ended.
    fn called(&self, report: &CallReport<'_>);

    /// Reports what happened to the record, once it is decided.
    fn settled(
        &self,
        _handler: &str,
        _topic: &str,
        _partition: i32,
        _offset: i64,
        _disposition: Disposition,
    ) {
    }
}

/// An `Ack` that the user settled.
#[derive(Debug)]
pub struct ManuallySettled<'a> {
    /// The assignment that the `Ack` belongs to.
    pub lane: Epoch,
    /// The record's offset.
    pub offset: i64,
    /// The attempt that received the `Ack`.
    pub attempt: u32,
    /// The verdict; a nack if the `Ack` was dropped.
    pub verdict: &'a Verdict,
    /// False if the settlement was too late.
    pub accepted: bool,
    /// Whether a caller waits until the broker has committed it.
    pub durable: bool,
}

/// The beginning of one call.
#[derive(Debug)]
pub struct CallBegin<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The assignment in which the handler is called.
    pub lane: Epoch,
    /// The offset of the record that the handler receives.
    pub offset: i64,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// The end of one call.
#[derive(Debug)]
pub struct CallReport<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The handler's group.
    pub group: &'a str,
    /// The assignment in which the handler was called.
    pub lane: Epoch,
    /// The topic that the record was read from; for a record in a retry topic, the retry topic.
    pub topic: &'a str,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// 1 for the first attempt; attempts in earlier retry topics are counted.
    pub attempt: u32,
    /// The outcome of the call.
    pub outcome: &'a Outcome,
}

/// The observers of an app, in the order in which they were added. Each is notified of everything.
///
/// Without observers, a notification costs one branch. Clones share the list.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<[Arc<dyn Observer>]>>);

impl Observers {
    /// Adds an observer, which is notified after those that are there already.
    #[must_use]
    pub fn with(self, observer: Arc<dyn Observer>) -> Self {
        let known = self.0.as_deref().unwrap_or_default();
        Self(Some(known.iter().cloned().chain([observer]).collect()))
    }

    /// Returns whether nobody is notified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Notifies each observer.
    #[inline]
    pub(crate) fn notify(&self, notify: impl Fn(&dyn Observer)) {
        if let Some(observers) = &self.0 {
            observers.iter().for_each(|observer| notify(&**observer));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.0.as_deref().map_or(0, <[_]>::len))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Named(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Observer for Named {
        fn called(&self, _report: &CallReport<'_>) {}

        fn begins(&self, _begin: &CallBegin<'_>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn every_observer_is_notified_in_the_order_in_which_they_were_added() {
        let notified = Arc::default();
        let add = |observers: Observers, name| observers.with(Arc::new(Named(name, Arc::clone(&notified))));
        let observers = ["metrics", "console", "traces"].into_iter().fold(Observers::default(), add);
        assert!(!observers.is_empty() && Observers::default().is_empty());
        let begin = CallBegin { handler: "bill", lane: Epoch(1), offset: 7, attempt: 1 };
        observers.notify(|observer| observer.begins(&begin));
        assert_eq!(*notified.lock().unwrap(), ["metrics", "console", "traces"]);
    }
}

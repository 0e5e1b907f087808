//! Waits for the confirmation of records: one by one, or many by one task.
//!
//! A receipt is one allocation for both ends, an answer to a mailbox is none, and there is no channel of tokio's: those
//! yield after 128 answers a turn, so that a task with thousands of receipts would check all of them again and again.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;

use super::{PublishError, PublishErrorKind, Published};

/// Resolves when the broker confirmed the record or refused it. Costs no boxed future.
#[derive(Debug)]
pub struct Receipt(Inner);

#[derive(Debug)]
enum Inner {
    Known(Option<Result<Published, PublishError>>),
    Waiting(Arc<Shared>),
}

/// The handle with which a producer answers a record. If it is dropped without an answer, the record counts as refused,
/// and may be retried.
#[derive(Debug)]
pub struct Answer(Option<To>);

/// The receiver of the answer.
#[derive(Debug)]
enum To {
    Receipt(Arc<Shared>),
    /// One of many, with its number.
    Mailbox(Arc<Mailbox>, usize),
}

#[derive(Debug)]
struct Shared {
    result: OnceLock<Result<Published, Box<PublishError>>>,
    waker: AtomicWaker,
    topic: Arc<str>,
}

/// Collects the answers of many records for one task. The task is woken, and checks only the answered records.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    answers: Mutex<Vec<Numbered>>,
    waker: AtomicWaker,
}

/// The number of a record, and its answer.
pub(crate) type Numbered = (usize, Result<Published, Box<PublishError>>);

impl Mailbox {
    /// Moves the answers into `answers`, which is empty, in their order. The task is woken for the next one.
    pub(crate) fn take(&self, answers: &mut Vec<Numbered>, waker: &Waker) {
        self.waker.register(waker);
        std::mem::swap(answers, &mut self.answers());
    }

    /// Registers the task to be woken for the next answer.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    fn put(&self, answer: Numbered) {
        let mut answers = self.answers();
        let is_first = answers.is_empty();
        answers.push(answer);
        drop(answers);
        if is_first {
            self.waker.wake();
        }
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Numbered>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receipt {
    /// Returns a receipt whose result is already known.
    #[must_use]
    pub fn known(result: Result<Published, PublishError>) -> Self {
        Self(Inner::Known(Some(result)))
    }

    /// Returns a receipt whose result comes later, for a record to this topic.
    #[must_use]
    pub fn waiting(topic: Arc<str>) -> (Answer, Self) {
        let shared = Arc::new(Shared { result: OnceLock::new(), waker: AtomicWaker::new(), topic });
        (Answer(Some(To::Receipt(Arc::clone(&shared)))), Self(Inner::Waiting(shared)))
    }
}

impl Future for Receipt {
    type Output = Result<Published, PublishError>;

    /// # Panics
    /// If the result was known at once, and is polled twice.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = match &mut self.get_mut().0 {
            Inner::Known(result) => {
                return Poll::Ready(result.take().expect("a receipt is not polled after its end"));
            }
            Inner::Waiting(shared) => shared,
        };
        if shared.result.get().is_none() {
            shared.waker.register(cx.waker());
        }
        // An answer that arrived before the waker was registered wakes nobody, so check once more.
        shared.answer().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Answer {
    /// Returns the answer of one of many records, for the reader of the mailbox.
    pub(crate) fn to(mailbox: &Arc<Mailbox>, number: usize) -> Self {
        Self(Some(To::Mailbox(Arc::clone(mailbox), number)))
    }

    /// Answers, and wakes the waiting task.
    pub fn give(mut self, result: Result<Published, PublishError>) {
        if let Some(to) = self.0.take() {
            to.give(result.map_err(Box::new));
        }
    }

    /// Discards the handle: the caller learns the result from the return value of [`Producer::enqueue`].
    ///
    /// [`Producer::enqueue`]: super::Producer::enqueue
    pub fn spare(mut self) {
        self.0 = None;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(to) = self.0.take() {
            let topic = match &to {
                To::Receipt(shared) => shared.topic.to_string(),
                // The reader knows the topic.
                To::Mailbox(..) => String::new(),
            };
            let message = "the producer ended before the broker answered".into();
            to.give(Err(Box::new(PublishError { kind: PublishErrorKind::Retriable, topic, message })));
        }
    }
}

impl To {
    fn give(self, result: Result<Published, Box<PublishError>>) {
        match self {
            Self::Receipt(shared) => {
                // The first answer stands; there is only one.
                let _ = shared.result.set(result);
                shared.waker.wake();
            }
            Self::Mailbox(mailbox, number) => mailbox.put((number, result)),
        }
    }
}

impl Shared {
    fn answer(&self) -> Option<Result<Published, PublishError>> {
        match self.result.get()? {
            Ok(published) => Some(Ok(*published)),
            Err(error) => Some(Err((**error).clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(receipt: &mut Receipt) -> Poll<Result<Published, PublishError>> {
        Pin::new(receipt).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_receipt_waits_for_its_answer() {
        let (answer, mut receipt) = Receipt::waiting("orders".into());
        assert_eq!(poll(&mut receipt), Poll::Pending);
        let published = Published { partition: 1, offset: 2 };
        answer.give(Ok(published));
        assert_eq!(poll(&mut receipt), Poll::Ready(Ok(published)));
    }

    #[test]
    fn an_answer_that_is_dropped_says_that_the_record_may_be_sent_again() {
        let (answer, mut receipt) = Receipt::waiting("orders".into());
        drop(answer);
        let Poll::Ready(Err(error)) = poll(&mut receipt) else { panic!("it is refused") };
        assert_eq!((error.kind, error.topic.as_str()), (PublishErrorKind::Retriable, "orders"));
    }

    #[tokio::test]
    async fn ten_thousand_answers_are_taken_in_one_turn_of_a_task() {
        let (answers, mut receipts): (Vec<_>, Vec<_>) =
            (0..10_000).map(|_| Receipt::waiting("orders".into())).unzip();
        for (offset, answer) in (0..).zip(answers) {
            answer.give(Ok(Published { partition: 0, offset }));
        }
        let ready = std::future::poll_fn(|cx| {
            let polled = receipts.iter_mut().map(|receipt| Pin::new(receipt).poll(cx));
            Poll::Ready(polled.filter(Poll::is_ready).count())
        });
        assert_eq!(ready.await, 10_000);
    }

    #[test]
    fn a_mailbox_takes_each_answer_once_and_a_spared_one_not() {
        let mailbox = Arc::new(Mailbox::default());
        let published = Published { partition: 0, offset: 3 };
        Answer::to(&mailbox, 7).give(Ok(published));
        drop(Answer::to(&mailbox, 8));
        Answer::to(&mailbox, 9).spare();
        let mut answers = Vec::new();
        mailbox.take(&mut answers, Waker::noop());
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0], (7, Ok(published)));
        assert!(matches!(&answers[1], (8, Err(error)) if error.kind == PublishErrorKind::Retriable));
        answers.clear();
        mailbox.take(&mut answers, Waker::noop());
        assert!(answers.is_empty());
    }
}

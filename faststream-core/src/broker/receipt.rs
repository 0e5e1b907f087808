//! How the confirmation of a record is awaited.
//!
//! One allocation for both ends, and no channel of tokio's: those give way after 128 answers a turn, so that a task with
//! thousands of receipts would look at all of them again and again.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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

/// The other end of a [`Receipt`]: what a producer answers it with. Dropped without an answer, the record counts as
/// refused, and may be tried again.
#[derive(Debug)]
pub struct Answer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    result: OnceLock<Result<Published, Box<PublishError>>>,
    waker: AtomicWaker,
    /// Where the answer is noted, and under which number.
    to: OnceLock<(Arc<Mailbox>, usize)>,
    /// Which of the two is there: whoever comes second notes it.
    both: AtomicU8,
    topic: Arc<str>,
}

const ANSWERED: u8 = 1;
const ADDRESSED: u8 = 2;

/// Notes which of many receipts were answered, for one task: it is woken, and looks at those alone.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    numbers: Mutex<Vec<usize>>,
    waker: AtomicWaker,
}

impl Mailbox {
    /// Takes what was noted into `numbers`, which is empty, in the order of the answers; the task is woken for the next.
    pub(crate) fn take(&self, numbers: &mut Vec<usize>, waker: &Waker) {
        self.waker.register(waker);
        std::mem::swap(numbers, &mut self.numbers());
    }

    /// The task is woken for the next answer.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    fn note(&self, number: usize) {
        let mut numbers = self.numbers();
        let is_first = numbers.is_empty();
        numbers.push(number);
        drop(numbers);
        if is_first {
            self.waker.wake();
        }
    }

    fn numbers(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receipt {
    /// The result is known already.
    #[must_use]
    pub fn known(result: Result<Published, PublishError>) -> Self {
        Self(Inner::Known(Some(result)))
    }

    /// The result comes later, for a record to this topic.
    #[must_use]
    pub fn waiting(topic: Arc<str>) -> (Answer, Self) {
        let shared = Arc::new(Shared {
            result: OnceLock::new(),
            waker: AtomicWaker::new(),
            to: OnceLock::new(),
            both: AtomicU8::new(0),
            topic,
        });
        (Answer(Arc::clone(&shared)), Self(Inner::Waiting(shared)))
    }

    /// The result, if it was known at once. No waker is registered.
    pub(crate) fn take_known(&mut self) -> Option<Result<Published, PublishError>> {
        match &mut self.0 {
            Inner::Known(result) => result.take(),
            Inner::Waiting { .. } => None,
        }
    }

    /// Has its answer noted in a mailbox, once, with this number. Only for what is not known at once.
    pub(crate) fn note_in(&self, mailbox: &Arc<Mailbox>, number: usize) {
        let Inner::Waiting(shared) = &self.0 else { return };
        let _ = shared.to.set((Arc::clone(mailbox), number));
        if shared.both.fetch_or(ADDRESSED, AcqRel) & ANSWERED != 0 {
            mailbox.note(number);
        }
    }

    /// The answer, if it has come.
    pub(crate) fn answer(&mut self) -> Option<Result<Published, PublishError>> {
        match &mut self.0 {
            Inner::Known(result) => result.take(),
            Inner::Waiting(shared) => shared.answer(),
        }
    }
}

impl Future for Receipt {
    type Output = Result<Published, PublishError>;

    /// # Panics
    /// If the result was known at once, and is asked for twice.
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
        // An answer that came before the waker was there wakes nobody: it is looked at once more.
        shared.answer().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Answer {
    /// The topic of the record.
    #[must_use]
    pub fn topic(&self) -> &Arc<str> {
        &self.0.topic
    }

    /// Answers, and wakes whoever waits.
    pub fn give(self, result: Result<Published, PublishError>) {
        self.0.give(result);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.0.result.get().is_none() {
            self.0.give(Err(PublishError {
                kind: PublishErrorKind::Retriable,
                topic: self.0.topic.to_string(),
                message: "the producer ended before the broker answered".into(),
            }));
        }
    }
}

impl Shared {
    fn give(&self, result: Result<Published, PublishError>) {
        if self.result.set(result.map_err(Box::new)).is_err() {
            // The first answer stands.
            return;
        }
        if self.both.fetch_or(ANSWERED, AcqRel) & ADDRESSED != 0
            && let Some((mailbox, number)) = self.to.get()
        {
            mailbox.note(*number);
        }
        self.waker.wake();
    }

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
    fn a_mailbox_notes_each_answer_once_whenever_it_came() {
        let mailbox = Arc::new(Mailbox::default());
        let (early, before) = Receipt::waiting("orders".into());
        early.give(Ok(Published { partition: 0, offset: 0 }));
        before.note_in(&mailbox, 7);
        let (late, after) = Receipt::waiting("orders".into());
        after.note_in(&mailbox, 8);
        drop(late);
        let mut numbers = Vec::new();
        mailbox.take(&mut numbers, Waker::noop());
        assert_eq!(numbers, [7, 8]);
        numbers.clear();
        mailbox.take(&mut numbers, Waker::noop());
        assert!(numbers.is_empty());
    }
}

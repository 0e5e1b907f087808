//! Publishes many records together: `Publisher::send_all`.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::broker::{Answer, Mailbox, Numbered, Producer, PublishError, PublishErrorKind, Published};
use crate::record::Outgoing;

/// The pause before a record is offered to a full client queue again.
pub(super) const QUEUE_FULL: Duration = Duration::from_millis(5);

/// How many records are handed over in one turn of the task.
const TURN: usize = 1024;

type Result = std::result::Result<Published, PublishError>;

/// The results of many records, as far as they are known. No allocation for each record, and each answer is checked
/// once.
#[derive(Default)]
pub(super) struct Many {
    mailbox: Arc<Mailbox>,
    /// The results in the records' order; `None` is not answered yet.
    results: Vec<Option<Result>>,
    open: usize,
    /// A buffer, kept for reuse.
    answers: Vec<Numbered>,
}

impl Many {
    /// Hands a record over as soon as the client's queue has room.
    pub(super) async fn send(&mut self, producer: &dyn Producer, record: &Outgoing) {
        let number = self.results.len();
        self.results.push(None);
        if number % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        while let Some(result) = producer.enqueue(record, Answer::to(&self.mailbox, number)) {
            if !matches!(&result, Err(error) if error.kind == PublishErrorKind::QueueFull) {
                self.results[number] = Some(result);
                return;
            }
            // An answer to one of these makes room.
            if self.open == 0 {
                tokio::time::sleep(QUEUE_FULL).await;
            } else {
                poll_fn(|cx| self.poll_some(cx)).await;
            }
        }
        self.open += 1;
    }

    /// Adds the result of a record that cannot be handed over.
    pub(super) fn refuse(&mut self, error: PublishError) {
        self.results.push(Some(Err(error)));
    }

    /// Returns all results, once the last one is known.
    pub(super) async fn results(mut self) -> Vec<Result> {
        while self.open > 0 {
            poll_fn(|cx| self.poll_some(cx)).await;
        }
        self.results.into_iter().flatten().collect()
    }

    /// Is ready once answers have arrived.
    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut answers = std::mem::take(&mut self.answers);
        self.mailbox.take(&mut answers, cx.waker());
        let any = !answers.is_empty();
        for (number, result) in answers.drain(..) {
            self.open -= 1;
            self.results[number] = Some(result.map_err(|error| *error));
        }
        self.answers = answers;
        if any { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Mutex, MutexGuard};

    use super::*;
    use crate::broker::BoxFuture;

    /// Has room for a fixed number of records; a task answers them one by one, the newest first.
    struct Narrow {
        room: usize,
        queue: Mutex<VecDeque<(Outgoing, Answer)>>,
    }

    impl Narrow {
        fn queue(&self) -> MutexGuard<'_, VecDeque<(Outgoing, Answer)>> {
            self.queue.lock().expect("not poisoned")
        }
    }

    fn refusal(kind: PublishErrorKind) -> Result {
        Err(PublishError { kind, topic: String::new(), message: "no".into() })
    }

    impl Producer for Narrow {
        fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result> {
            let mut queue = self.queue();
            if queue.len() < self.room {
                queue.push_back((record.clone(), answer));
                return None;
            }
            answer.spare();
            Some(refusal(PublishErrorKind::QueueFull))
        }

        fn flush(&self) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_waited_for_and_each_record_gets_its_own_result() {
        let narrow = Arc::new(Narrow { room: 3, queue: Mutex::default() });
        let mut answered = Vec::new();
        let (queue, many) = (Arc::clone(&narrow), async {
            let mut many = Many::default();
            for number in 0..20 {
                if number == 7 {
                    let error = refusal(PublishErrorKind::Permanent).expect_err("refused");
                    many.refuse(error);
                } else {
                    many.send(&*narrow, &Outgoing::new("orders", number.to_string())).await;
                }
            }
            many.results().await
        });
        let answers = async {
            while answered.len() < 19 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let Some((record, answer)) = queue.queue().pop_back() else { continue };
                let payload = record.payload.expect("a payload");
                let number: i64 = std::str::from_utf8(&payload).expect("text").parse().expect("a number");
                answered.push(number);
                answer.give(if number == 11 {
                    refusal(PublishErrorKind::Retriable)
                } else {
                    Ok(Published { partition: 0, offset: number })
                });
            }
        };
        let (results, ()) = tokio::join!(many, answers);
        let offsets: Vec<_> = results.iter().map(|result| result.as_ref().ok().map(|at| at.offset)).collect();
        let expected: Vec<_> = (0..20).map(|number| (![7, 11].contains(&number)).then_some(number)).collect();
        assert_eq!(offsets, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_others_filled_is_tried_again() {
        let narrow = Arc::new(Narrow { room: 1, queue: Mutex::default() });
        let (answer, others) = crate::broker::Receipt::waiting("orders".into());
        narrow.queue().push_back((Outgoing::new("orders", "others"), answer));
        let queue = Arc::clone(&narrow);
        let answers = async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let (_, answer) = queue.queue().pop_front().expect("one is there");
                answer.give(Ok(Published { partition: 0, offset: 1 }));
            }
        };
        let sent = async {
            let mut many = Many::default();
            many.send(&*narrow, &Outgoing::new("orders", "ours")).await;
            many.results().await
        };
        let (results, ()) = tokio::join!(sent, answers);
        assert_eq!(results, [Ok(Published { partition: 0, offset: 1 })]);
        others.await.expect("answered");
    }
}

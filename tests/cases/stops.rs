//! How an app stops: in which time, and what it says that it left.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, TestApp};

fn app(module: &'static str) -> FastStream {
    FastStream::new(MemoryBroker::new()).name("shop").module(module)
}

mod unconfirmed {
    use faststream::{publisher, subscriber};
    use tokio::time::Instant;

    use super::*;

    #[subscriber(topic = "orders", drain = "3s")]
    #[publisher(topic = "invoices")]
    async fn bill(order: u64) -> u64 {
        order
    }

    #[faststream::test]
    async fn results_that_nobody_confirms_hold_up_a_stop_no_longer_than_its_drain_time_and_2_s() {
        let app = TestApp::start(app(module_path!())).await;
        app.broker().delay_publishes(Duration::from_secs(3600));
        for order in 1..=4_u64 {
            app.append("orders", &order);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        let exit = app.shutdown().await;
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}");
        assert_eq!(exit.code, 2);
        assert!(
            exit.messages[0].contains("the results of bill were not confirmed")
                && !exit.messages[0].contains("running"),
            "{exit:?}"
        );
    }
}

mod unconfirmed_dead_letter {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "orders", on_error = DeadLetter, retry(attempts = 1))]
    async fn refuse(_order: u64) -> Result<(), String> {
        Err("no".into())
    }

    #[faststream::test]
    async fn a_dead_letter_that_nobody_confirms_is_said_to_be_one() {
        let app = TestApp::start(app(module_path!())).await;
        app.broker().delay_publishes(Duration::from_secs(3600));
        app.append("orders", &1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let exit = app.shutdown().await;
        assert!(exit.messages[0].contains("the dead letter of refuse was not confirmed"), "{exit:?}");
    }
}

mod fire_and_forget {
    use faststream::{Publish, Publisher, subscriber};
    use tokio::time::Instant;

    use super::*;

    /// The record is finished; what it has published is nobody's but the producer's.
    #[subscriber(topic = "orders")]
    async fn tell(order: u64, publisher: Publisher) {
        drop(publisher.enqueue("told", Publish::new(order)));
    }

    #[faststream::test]
    async fn what_finished_records_have_published_is_still_waited_for() {
        let app = TestApp::start(app(module_path!())).await.lenient();
        let broker = app.broker();
        broker.delay_publishes(Duration::from_secs(8));
        app.append("orders", &1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        let exit = app.shutdown().await;
        assert_eq!(exit.code, 0, "{exit:?}");
        assert!(began.elapsed() > Duration::from_secs(7));
        assert_eq!(broker.records("told").len(), 1);
    }
}

mod lost_long_ago {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use faststream::{State, subscriber};

    use super::*;

    #[derive(Default)]
    struct Slow(AtomicBool);

    /// Takes long, the first time.
    #[subscriber(topic = "orders")]
    async fn take(_order: u64, State(slow): State<Slow>) {
        if !slow.0.swap(true, SeqCst) {
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
    }

    #[faststream::test]
    async fn a_stop_answers_for_nothing_that_happened_before_it() {
        let app = TestApp::start(app(module_path!()).state(Slow::default())).await;
        app.append("orders", &1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.broker().lose("shop");
        app.advance(Duration::from_secs(60)).await;
        assert_eq!(app.calls("take").len(), 1, "the one that was cut off has no end");
        let exit = app.shutdown().await;
        assert_eq!((exit.code, exit.messages), (0, vec![]));
    }

    #[faststream::test]
    async fn a_revocation_that_was_late_before_the_stop_is_not_the_stops() {
        let app = TestApp::start(app(module_path!()).state(Slow::default())).await;
        app.append("orders", &1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.broker().rebalance("shop");
        app.advance(Duration::from_secs(60)).await;
        let exit = app.shutdown().await;
        assert_eq!((exit.code, exit.messages), (0, vec![]));
    }
}

mod last_line {
    use faststream::subscriber;

    use super::*;
    use crate::captured::Lines;

    #[subscriber(topic = "orders", on_error = DeadLetter, retry(attempts = 1))]
    async fn take(order: u64) -> Result<(), String> {
        if order == 3 { Err("no".into()) } else { Ok(()) }
    }

    #[faststream::test]
    async fn the_last_line_says_how_long_the_stop_took_what_was_done_and_that_all_is_committed() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        for order in 1..=4_u64 {
            app.append("orders", &order);
        }
        app.settle().await;
        app.shutdown().await;
        let last = lines.last();
        assert!(last.ends_with("stopped after 0 ms, 3 handled, 1 dead-lettered, all committed"), "{last}");
    }

    /// Keeps its `Ack` for ever.
    #[subscriber(topic = "kept", ack = Manual)]
    async fn keep(_order: u64, ack: faststream::Ack) {
        std::mem::forget(ack);
    }

    #[faststream::test]
    async fn the_last_line_does_not_say_that_all_is_committed_if_an_ack_was_cut_off() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        app.append("kept", &1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(app.shutdown().await.code, 2);
        let last = lines.last();
        assert!(
            last.ends_with("all that is finished is committed; what was cut off is handled again"),
            "{last}"
        );
    }

    #[faststream::test]
    async fn the_last_line_names_what_was_not_committed() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        app.broker().fail_commits(faststream::CommitClass::Transient, 1_000);
        app.publish("orders", &1).await;
        app.shutdown().await;
        let last = lines.last();
        assert!(last.contains("1 handled, the committed offset is behind in orders/0 by 1"), "{last}");
    }
}

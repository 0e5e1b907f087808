//! What stands in a line of the log, and in what is kept for it.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, TestApp};

use crate::captured::Lines;

/// What a line or a kept text may hold, with the rest of the line.
const LONG: usize = 5_500;

fn app(module: &'static str) -> FastStream {
    FastStream::new(MemoryBroker::new()).name("shop").module(module)
}

mod huge {
    use faststream::{Delivery, FromDelivery, Rejection, Requirements, Verdict, subscriber};

    use super::*;

    fn huge() -> String {
        "y".repeat(2_000_000)
    }

    #[subscriber(topic = "fails", retry(attempts = 2))]
    async fn fails(_order: u64) -> Result<(), String> {
        Err(huge())
    }

    #[subscriber(topic = "panics", retry(attempts = 1), on_error = DeadLetter)]
    async fn panics(_order: u64) {
        panic!("{}", huge());
    }

    #[subscriber(topic = "rejects", on_error = DeadLetter)]
    async fn rejects(_order: u64) -> Verdict {
        Verdict::reject(huge())
    }

    struct Own;

    impl FromDelivery for Own {
        fn from_delivery(_: &Delivery<'_>) -> Result<Self, Rejection> {
            Err(Rejection::new(huge()))
        }
        fn requires(_: &mut Requirements) {}
    }

    #[subscriber(topic = "own")]
    async fn own(_own: Own, _order: u64) {}

    #[faststream::test]
    async fn no_text_of_an_error_is_kept_or_logged_beyond_4_kib() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        app.append("fails", &1);
        app.append("panics", &1);
        app.append("rejects", &1);
        app.append("own", &1);
        app.settle().await;
        let held: Vec<_> = app.held().into_iter().map(|held| held.error).collect();
        assert_eq!(held.len(), 2);
        for error in &held {
            assert!(error.len() <= 4096 && error.contains("[cut: 2000"), "{}", error.len());
        }
        for topic in ["panics", "rejects"] {
            let [letter] = &app.dead_letters(topic)[..] else { panic!("one letter in {topic}") };
            assert!(letter.error.len() <= 4096 && letter.error.contains("[cut: 2000"));
        }
        for call in ["fails", "panics", "rejects", "own"].into_iter().flat_map(|name| app.calls(name)) {
            assert!(call.error.is_none_or(|error| error.len() < LONG));
        }
        let longest = lines.all().iter().map(String::len).max().expect("some");
        assert!(longest < LONG && longest > 4000, "{longest}");
        assert!(app.health().reasons.iter().all(|reason| reason.len() < LONG));
    }
}

mod words {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "bad", on_decode_error = Skip, retry(attempts = 1))]
    async fn passes_over(_order: u64) {}

    #[subscriber(topic = "refused", on_error = Skip, retry(attempts = 1))]
    async fn refuses(_order: u64) -> Result<(), String> {
        Err("no".into())
    }

    #[subscriber(topic = "kept")]
    async fn keeps(_order: u64) {}

    #[subscriber(topic = "letters", on_error = DeadLetter, retry(attempts = 1))]
    async fn writes(_order: u64) -> Result<(), String> {
        Err("no".into())
    }

    #[subscriber(topic = "again", retry(attempts = 4, backoff = "161ms..7s"))]
    async fn tries_again(_order: u64) -> Result<(), String> {
        Err("no".into())
    }

    #[faststream::test]
    async fn a_line_names_the_setting_that_decided() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        app.publish("bad", "no number").await;
        app.publish("refused", &1).await;
        app.publish("kept", "no number").await;
        assert_eq!(lines.with(&["passes_over", "skipped by `on_decode_error`"]).len(), 1);
        assert_eq!(lines.with(&["refuses", "skipped by `on_error`"]).len(), 1);
        assert_eq!(lines.with(&["keeps", "set `on_decode_error = DeadLetter`"]).len(), 1);
    }

    #[faststream::test]
    async fn one_attempt_is_one_attempt() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        app.publish("letters", &1).await;
        assert_eq!(lines.with(&["dead-lettered after 1 attempt"]).len(), 1);
        assert!(lines.with(&["1 attempts"]).is_empty());
    }

    #[faststream::test]
    async fn pauses_are_logged_with_two_digits_and_a_unit() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        app.publish("again", &1).await;
        let pauses = lines.with(&["tried again in "]);
        assert_eq!(pauses.len(), 3);
        for line in pauses {
            let (_, pause) = line.split_once("tried again in ").expect("a pause");
            let (pause, _) = pause.split_once(':').expect("and why");
            let (number, unit) = pause.split_once(' ').expect("a number and a unit");
            let digits = number.trim_end_matches('0').chars().filter(char::is_ascii_digit).count();
            assert!(digits <= 2 && matches!(unit, "ms" | "s"), "{line}");
        }
    }
}

mod rebalances {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topics = ["a", "b", "c"])]
    async fn reads(_order: u64) {}

    #[faststream::test]
    async fn a_rebalance_is_one_line_whatever_number_of_partitions_it_moves() {
        let (lines, _logs) = Lines::capture();
        let app = TestApp::start(app(module_path!())).await;
        for topic in ["a", "b", "c"] {
            app.broker().add_partitions(topic, 100);
        }
        app.broker().rebalance("shop");
        app.advance(Duration::from_secs(60)).await;
        let assigned = lines.with(&[" assigned"]);
        let revoked = lines.with(&[" revoked"]);
        assert!(assigned.len() < 10 && revoked.len() < 10, "{assigned:?} {revoked:?}");
        let all = "300 partitions assigned: a/0-99, b/0-99, c/0-99";
        assert!(assigned.iter().any(|line| line.contains(all)), "{assigned:?}");
        app.broker().lose("shop");
        app.advance(Duration::from_secs(60)).await;
        assert_eq!(
            lines.with(&["300 partitions lost: a/0-99, b/0-99, c/0-99"]).len(),
            1,
            "{:?}",
            lines.all()
        );
    }
}

//! What operators do to a running app: pauses, resumes, seeks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use faststream::memory::MemoryBroker;
use faststream::testing::TestCall;
use faststream::{
    CommitClass, ControlError, FastStream, Health, Outgoing, Publish, SeekTo, State, TestApp, TopicPartition,
    subscriber,
};

fn orders(partition: i32) -> TopicPartition {
    TopicPartition::new("orders", partition)
}

fn offsets(calls: &[TestCall]) -> Vec<i64> {
    calls.iter().map(|call| call.offset).collect()
}

/// A number for this partition.
fn to(partition: i32, number: u64) -> Publish<u64> {
    Publish::new(number).partition(partition)
}

mod simple {
    use super::*;

    #[subscriber(topic = "orders")]
    async fn bill(_order: u64) {}

    #[subscriber(topic = "orders", group = "shipping")]
    async fn ship(_order: u64) {}

    async fn start(partitions: i32) -> TestApp {
        let broker = MemoryBroker::new();
        broker.create_topic("orders", partitions);
        TestApp::start(FastStream::new(broker).name("billing").module(module_path!())).await
    }

    #[faststream::test]
    async fn records_of_a_paused_handler_wait_and_count_as_settled() {
        let app = start(1).await;
        app.publish("orders", &1).await;
        app.pause("bill").await;
        app.publish("orders", &2).await;
        app.publish("orders", &3).await;
        assert_eq!((app.calls("bill").len(), app.calls("ship").len()), (1, 3), "the other one goes on");
        app.advance(Duration::from_secs(3600)).await;
        assert_eq!(app.calls("bill").len(), 1);
        app.resume("bill").await;
        assert_eq!(offsets(&app.calls("bill")), [0, 1, 2], "each once, in order");
    }

    #[faststream::test]
    async fn a_pause_survives_rebalances_and_includes_partitions_that_come_later() {
        let app = start(2).await;
        app.pause("bill").await;
        app.broker().rebalance("billing");
        app.settle().await;
        let other = app.broker().join_external("billing", &["orders"]);
        app.settle().await;
        drop(other);
        app.broker().add_partitions("orders", 4);
        app.broker().lose("billing");
        app.advance(Duration::from_secs(60)).await;
        for partition in 0..4 {
            app.publish("orders", to(partition, 1)).await;
        }
        assert_eq!((app.calls("bill").len(), app.calls("ship").len()), (0, 4));
        app.resume("bill").await;
        assert_eq!(app.calls("bill").len(), 4);
    }

    #[faststream::test]
    async fn a_pause_survives_a_client_that_is_replaced() {
        let app = start(1).await;
        app.publish("orders", &1).await;
        app.pause("billing").await;
        app.publish("orders", &2).await;
        app.broker().fail_commits(CommitClass::Fatal, 1);
        app.advance(Duration::from_secs(120)).await;
        app.publish("orders", &3).await;
        let health = app.health();
        assert!(
            health.reasons.iter().any(|reason| reason.contains("its client was replaced")),
            "{:?}",
            health.reasons
        );
        let calls = app.calls("bill").len();
        app.resume("billing").await;
        assert!(app.calls("bill").len() > calls && calls == 1, "{calls}");
    }

    #[faststream::test]
    async fn a_paused_partition_stops_no_other() {
        let app = start(2).await;
        app.publish("orders", to(0, 1)).await;
        app.pause_partition("bill", orders(0)).await;
        for partition in [0, 1, 0, 1] {
            app.publish("orders", to(partition, 1)).await;
        }
        assert_eq!(app.calls("bill").len(), 3);
        // It is not what was paused.
        app.resume("bill").await;
        app.resume("billing").await;
        assert_eq!(app.calls("bill").len(), 3);
        app.resume_partition("bill", orders(0)).await;
        assert_eq!(app.calls("bill").len(), 5);
    }

    #[faststream::test]
    async fn a_paused_app_is_ready_and_health_names_what_is_paused() {
        let app = start(2).await;
        app.publish("orders", &1).await;
        app.pause("bill").await;
        app.pause_partition("bill", orders(1)).await;
        app.pause("shipping").await;
        let Health { live, ready, degraded, reasons, .. } = app.health();
        assert!(live && ready && !degraded, "{reasons:?}");
        assert_eq!(
            reasons,
            [
                "group billing: bill is paused until it is resumed (2 assigned partitions)",
                "group billing: bill is paused in orders/1 until it is resumed (1 assigned partition)",
                "group shipping: all of its handlers are paused until it is resumed (2 assigned partitions)",
            ]
        );
        app.resume("bill").await;
        app.resume_partition("bill", orders(1)).await;
        app.resume("shipping").await;
        assert!(app.health().reasons.is_empty());
    }

    #[faststream::test]
    async fn a_seek_backwards_repeats_and_one_forwards_skips() {
        let app = start(1).await;
        for number in 0..5 {
            app.publish("orders", &number).await;
        }
        assert_eq!(app.seek("bill", orders(0), SeekTo::Offset(3)).await, 3);
        assert_eq!(offsets(&app.calls("bill")), [0, 1, 2, 3, 4, 3, 4]);
        app.pause("bill").await;
        app.publish("orders", &5).await;
        app.publish("orders", &6).await;
        assert_eq!(app.seek("bill", orders(0), SeekTo::Offset(6)).await, 6);
        assert_eq!(app.calls("bill").len(), 7, "it is still paused");
        app.resume("bill").await;
        assert_eq!(offsets(&app.calls("bill"))[7..], [6]);
        assert_eq!(app.seek("billing", orders(0), SeekTo::Beginning).await, 0);
        assert_eq!(app.calls("bill").len(), 15);
        assert_eq!(app.seek("billing", orders(0), SeekTo::End).await, 7);
        assert_eq!((app.calls("bill").len(), app.calls("ship").len()), (15, 7), "only this group");
    }

    #[faststream::test]
    async fn a_seek_goes_to_the_first_record_of_a_time() {
        let app = start(1).await;
        for number in 0..3 {
            app.publish("orders", &number).await;
            app.advance(Duration::from_secs(60)).await;
        }
        let second = app.broker().records("orders")[1].1.timestamp.expect("records have times");
        assert_eq!(app.seek("bill", orders(0), SeekTo::Timestamp(second)).await, 1);
        assert_eq!(app.seek("bill", orders(0), SeekTo::Timestamp(second + 1)).await, 2);
        let later = SystemTime::now() + Duration::from_secs(1_000_000_000);
        assert_eq!(app.seek("bill", orders(0), later.into()).await, 3, "there is none");
    }

    #[faststream::test]
    async fn a_seek_forwards_is_committed_at_once_and_one_backwards_with_its_first_record() {
        let mut app = start(1).await;
        for number in 0..6 {
            app.publish("orders", &number).await;
        }
        app.advance(Duration::from_secs(5)).await;
        let committed = |app: &TestApp| app.broker().committed("billing", "orders")[&0];
        assert_eq!(committed(&app), 6);
        app.pause("bill").await;
        app.seek("bill", orders(0), SeekTo::Offset(2)).await;
        app.advance(Duration::from_secs(5)).await;
        assert_eq!(committed(&app), 6, "the seek commits nothing");
        app.publish("orders", &6).await;
        app.seek("bill", orders(0), SeekTo::End).await;
        app.advance(Duration::from_secs(5)).await;
        assert_eq!(committed(&app), 7, "what it skips is given up, although no other record ever comes");
        app.crash().await;
        assert_eq!(app.calls("bill").len(), 6, "the skipped one is not handled after a crash");
    }

    #[faststream::test]
    async fn names_partitions_and_positions_that_do_not_exist_are_refused_by_name() {
        let app = start(1).await;
        app.publish("orders", &1).await;
        let running = app.running();
        let unknown = running.pause("bil").await.expect_err("no such handler").to_string();
        assert_eq!(
            unknown,
            "this app has no handler or group `bil`: it has bill, ship, group billing, group shipping"
        );
        for error in [
            running.pause_partition("bill", orders(4)).await.expect_err("no such partition"),
            running.seek("bill", orders(4), SeekTo::Offset(0)).await.expect_err("no such partition"),
        ] {
            let text = match error {
                ControlError::Position(cause) => cause.to_string(),
                error => error.to_string(),
            };
            assert!(text.contains("orders/4"), "{text}");
        }
        let other = TopicPartition::new("returns", 0);
        let error = running.seek("bill", other, SeekTo::End).await.expect_err("no such topic").to_string();
        assert_eq!(
            error,
            "returns/0 is not assigned to `bill` in this process now: ask the instance that reads it"
        );
        let Err(ControlError::Position(error)) = running.seek("bill", orders(0), SeekTo::Offset(2)).await
        else {
            panic!("it is beyond the end")
        };
        assert_eq!(
            error.to_string(),
            "orders/0 has no offset 2: its first offset is 0, and it ends before 1"
        );
        assert_eq!(running.resume_partition("bill", orders(9)).await, Ok(()), "nothing is paused there");
    }
}

mod slow {
    use super::*;

    #[derive(Debug, Default)]
    struct Gate {
        is_open: AtomicBool,
    }

    #[subscriber(topic = "orders", drain = "3s")]
    async fn bill(_order: u64, State(gate): State<Arc<Gate>>) {
        while !gate.is_open.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn start() -> (TestApp, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let app = FastStream::new(MemoryBroker::new()).name("billing").state(Arc::clone(&gate));
        let app = TestApp::start(app.module(module_path!())).await;
        for number in 0..3 {
            app.broker().append(Outgoing::new("orders", number.to_string())).expect("it is written");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        (app, gate)
    }

    #[faststream::test]
    async fn a_call_that_runs_ends_although_its_handler_is_paused_and_is_committed() {
        let (app, gate) = start().await;
        app.pause("bill").await;
        gate.is_open.store(true, SeqCst);
        app.advance(Duration::from_secs(5)).await;
        assert_eq!(offsets(&app.calls("bill")), [0]);
        assert_eq!(app.broker().committed("billing", "orders")[&0], 1);
        app.resume("bill").await;
        assert_eq!(offsets(&app.calls("bill")), [0, 1, 2]);
    }

    #[faststream::test]
    async fn a_seek_lets_running_calls_end_first() {
        let (app, gate) = start().await;
        let began = tokio::time::Instant::now();
        let opens = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            gate.is_open.store(true, SeqCst);
        };
        let ((), next) = tokio::join!(opens, app.seek("bill", orders(0), SeekTo::Offset(2)));
        assert_eq!((next, offsets(&app.calls("bill"))), (2, vec![0, 2]));
        assert!(began.elapsed() >= Duration::from_secs(1));
    }

    #[faststream::test]
    async fn a_seek_cuts_off_a_call_that_takes_longer_than_the_drain_time() {
        let (app, gate) = start().await;
        let began = tokio::time::Instant::now();
        let result = app.running().seek("bill", orders(0), SeekTo::Offset(1)).await;
        assert_eq!((result, began.elapsed().as_secs()), (Ok(1), 3));
        gate.is_open.store(true, SeqCst);
        app.settle().await;
        assert_eq!(offsets(&app.calls("bill")), [1, 2], "the one that was cut off was skipped");
    }

    #[faststream::test]
    async fn a_seek_of_a_partition_that_is_given_back_meanwhile_says_so() {
        let (app, _gate) = start().await;
        let moves = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            app.broker().rebalance("billing");
        };
        let ((), result) = tokio::join!(moves, app.running().seek("bill", orders(0), SeekTo::Beginning));
        let error = result.expect_err("it is given back").to_string();
        assert_eq!(
            error,
            "orders/0 was given back before the seek of `bill`: ask the instance that reads it now"
        );
    }

    #[faststream::test]
    async fn the_later_one_of_two_seeks_counts() {
        let (app, gate) = start().await;
        let opens = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            gate.is_open.store(true, SeqCst);
        };
        let running = app.running();
        let ((), first, second) = tokio::join!(
            opens,
            running.seek("bill", orders(0), SeekTo::Beginning),
            running.seek("bill", orders(0), SeekTo::Offset(2)),
        );
        assert_eq!((first, second), (Err(ControlError::Superseded { tp: orders(0) }), Ok(2)));
        app.settle().await;
        assert_eq!(offsets(&app.calls("bill")), [0, 2]);
    }
}

mod failing {
    use super::*;

    #[subscriber(topic = "orders", retry(attempts = 3, backoff = "1s"))]
    async fn bill(order: u64) -> Result<(), String> {
        if order == 0 { Err("no price".into()) } else { Ok(()) }
    }

    #[subscriber(topic = "late", retry(attempts = 1, topics = ["10s"]), on_error = Skip)]
    async fn late(_order: u64) -> Result<(), String> {
        Err("no price".into())
    }

    async fn start() -> TestApp {
        TestApp::start(FastStream::new(MemoryBroker::new()).name("billing").module(module_path!())).await
    }

    #[faststream::test]
    async fn no_other_attempt_begins_while_the_handler_is_paused() {
        let app = start().await;
        app.broker().append(Outgoing::new("orders", "0")).expect("it is written");
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(app.calls("bill").len(), 1);
        app.pause("bill").await;
        app.advance(Duration::from_secs(600)).await;
        assert_eq!(app.calls("bill").len(), 1);
        app.resume("bill").await;
        assert_eq!(app.calls("bill").len(), 3, "then it is held");
    }

    #[faststream::test]
    async fn a_held_record_is_neither_tried_nor_released_by_a_pause_and_its_end() {
        let app = start().await;
        app.publish("orders", &0).await;
        app.publish("orders", &1).await;
        assert_eq!((app.calls("bill").len(), app.held().len()), (3, 1));
        app.pause("bill").await;
        app.advance(Duration::from_secs(600)).await;
        assert_eq!((app.calls("bill").len(), app.held().len()), (3, 1));
        assert!(app.health().ready, "it is paused on purpose");
        app.resume("bill").await;
        assert_eq!((app.calls("bill").len(), app.held().len()), (4, 1), "its next attempt was due");
        app.advance(Duration::from_secs(31)).await;
        assert_eq!((app.calls("bill").len(), app.held().len()), (5, 1));
    }

    #[faststream::test]
    async fn a_seek_leaves_a_held_record_behind() {
        let app = start().await;
        app.publish("orders", &0).await;
        app.publish("orders", &1).await;
        assert_eq!(app.held().len(), 1);
        app.seek("bill", orders(0), SeekTo::Offset(1)).await;
        assert_eq!((app.held().len(), offsets(&app.calls("bill"))), (0, vec![0, 0, 0, 1]));
        app.advance(Duration::from_secs(5)).await;
        assert_eq!(app.broker().committed("billing", "orders")[&0], 2);
    }

    #[faststream::test]
    async fn a_record_in_a_retry_topic_waits_for_the_end_of_the_pause_too() {
        let app = start().await;
        app.broker().append(Outgoing::new("late", "0")).expect("it is written");
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.pause("late").await;
        app.advance(Duration::from_secs(60)).await;
        assert_eq!(app.calls("late").len(), 1);
        app.resume("late").await;
        assert_eq!(app.calls("late").len(), 2);
    }
}

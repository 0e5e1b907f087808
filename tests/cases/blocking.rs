//! Code that blocks its thread: handlers, hooks, and what must go on all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use faststream::memory::MemoryBroker;
use faststream::{Ack, FastStream, GroupSettings, Metadata, State, TestApp, subscriber};

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads")
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

mod timeout {
    use super::*;

    #[subscriber(topic = "in", timeout = "200ms", retry(attempts = 1), on_error = Skip)]
    async fn handle(id: u64) {
        let block = || thread::sleep(Duration::from_millis(300));
        match id {
            0 => {
                block();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            1 => block(),
            2 => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                block();
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }

    #[faststream::test(real_time)]
    async fn a_timeout_counts_from_the_begin_of_the_call_through_what_blocks() {
        let app = FastStream::new(MemoryBroker::new()).name("timeout").module(module_path!());
        let app = TestApp::start(app).await;
        for id in 0..4_u64 {
            app.publish("in", &id).await;
        }
        let failed: Vec<_> = app.calls("handle").into_iter().map(|call| call.error.is_some()).collect();
        assert_eq!(failed, [true, true, true, false]);
    }
}

mod finished_before {
    use super::*;

    #[subscriber(topic = "in", drain = "200ms")]
    async fn handle(id: u64, State(calls): State<Arc<AtomicUsize>>) {
        calls.fetch_add(1, SeqCst);
        if id == 220 {
            thread::sleep(Duration::from_secs(4));
        }
    }

    #[test]
    fn what_finished_before_a_call_that_blocks_is_committed_meanwhile() {
        threads().block_on(async {
            let calls = Arc::new(AtomicUsize::new(0));
            let broker = MemoryBroker::new();
            let settings = GroupSettings::new().commit_interval(Duration::from_millis(200));
            let app = FastStream::new(broker).name("blocks").module(module_path!());
            let app = TestApp::start(app.group_settings(settings).state(Arc::clone(&calls))).await;
            app.broker().create_topic("in", 1);
            for id in 0..300_u64 {
                app.append("in", &id);
            }
            until("it blocks", || calls.load(SeqCst) == 221).await;
            let began = Instant::now();
            until("what finished is committed", || app.committed("blocks", "in").get(&0) == Some(&220)).await;
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            assert_eq!(calls.load(SeqCst), 221, "the call still blocks");
            app.shutdown().await;
        });
    }
}

mod hooks {
    use super::*;

    #[subscriber(topic = "in")]
    async fn handle(_id: u64, State(calls): State<Arc<AtomicUsize>>) {
        calls.fetch_add(1, SeqCst);
    }

    fn app(calls: &Arc<AtomicUsize>) -> FastStream {
        let settings = GroupSettings::new().drain(Duration::from_millis(300));
        let app = FastStream::new(MemoryBroker::new()).name("hooks").module(module_path!());
        app.group_settings(settings).state(Arc::clone(calls))
    }

    fn block() {
        thread::sleep(Duration::from_secs(3));
    }

    #[test]
    fn partitions_begin_and_are_given_back_though_their_hooks_block_all_threads_they_get() {
        threads().block_on(async {
            let calls = Arc::new(AtomicUsize::new(0));
            let app = app(&calls)
                .on_assigned(async |_hook, _rebalance| block())
                .on_revoked(async |_hook, _rebalance| block());
            let app = TestApp::start(app).await;
            let began = Instant::now();
            app.append("in", &1_u64);
            until("it is handled", || calls.load(SeqCst) == 1).await;
            app.broker().rebalance("hooks");
            app.append("in", &2_u64);
            until("it is handled after a rebalance", || calls.load(SeqCst) >= 2).await;
            assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
            let began = Instant::now();
            app.shutdown().await;
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        });
    }

    #[test]
    fn a_state_whose_making_blocks_does_not_hold_up_a_stop() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread");
        runtime.block_on(async {
            let calls = Arc::new(AtomicUsize::new(0));
            let app = app(&calls).state_with(async || {
                block();
                Ok::<_, String>(7_u8)
            });
            let began = Instant::now();
            let exit = app.run_until(tokio::time::sleep(Duration::from_millis(100))).await;
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}: {exit:?}", began.elapsed());
        });
        runtime.shutdown_background();
    }
}

mod durable {
    use super::*;

    /// What runs at once, and how many did at most.
    #[derive(Default)]
    struct Running(AtomicUsize, AtomicUsize);

    #[subscriber(topic = "in", order = None, concurrency = 2, ack = Manual, retry(attempts = 3, backoff = "1s"))]
    async fn handle(id: u64, metadata: Metadata, ack: Ack, State(running): State<Arc<Running>>) {
        let now = running.0.fetch_add(1, SeqCst) + 1;
        running.1.fetch_max(now, SeqCst);
        match id {
            // Fails once, so that nothing behind it becomes durable for a second.
            0 if metadata.attempt == 1 => drop(ack),
            // Gives up the wait, and goes on for long.
            1 | 2 => {
                let _ = tokio::time::timeout(Duration::from_millis(100), ack.ack_durable()).await;
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            _ => drop(ack.ack()),
        }
        running.0.fetch_sub(1, SeqCst);
    }

    #[faststream::test]
    async fn a_wait_for_a_commit_that_was_given_up_lets_no_further_call_begin() {
        let running = Arc::new(Running::default());
        let app = FastStream::new(MemoryBroker::new()).name("durable").module(module_path!());
        let app = TestApp::start(app.state(Arc::clone(&running))).await;
        app.broker().create_topic("in", 1);
        for id in 0..3_u64 {
            app.append("in", &id);
        }
        app.settle().await;
        assert_eq!(running.1.load(SeqCst), 2, "`concurrency` is 2");
        assert_eq!(app.calls("handle").len(), 4);
    }
}

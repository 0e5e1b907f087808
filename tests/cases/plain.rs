//! Plain `fn` handlers: nothing can cancel them, so nothing begins beside them, and what has not begun never does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use faststream::memory::MemoryBroker;
use faststream::testing::{TestApp, block_for};
use faststream::{FastStream, GroupSettings, Metadata, State, subscriber};
use tokio::runtime::Handle;

/// What the handlers of one test did.
#[derive(Default)]
struct Seen {
    begun: AtomicUsize,
    running: AtomicUsize,
    most_at_once: AtomicUsize,
    over: AtomicBool,
    begun_when_over: AtomicUsize,
    log: Mutex<Vec<String>>,
}

impl Seen {
    /// One call that blocks its thread with `work`.
    fn call(&self, work: impl FnOnce()) {
        self.begun.fetch_add(1, SeqCst);
        if self.over.load(SeqCst) {
            self.begun_when_over.fetch_add(1, SeqCst);
        }
        let running = self.running.fetch_add(1, SeqCst) + 1;
        self.most_at_once.fetch_max(running, SeqCst);
        work();
        self.running.fetch_sub(1, SeqCst);
    }

    fn note(&self, what: impl Into<String>) {
        self.log.lock().expect("not poisoned").push(what.into());
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().expect("not poisoned").clone()
    }
}

fn app(module: &str) -> (FastStream, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    (FastStream::new(MemoryBroker::new()).name("plain").module(module).state(Arc::clone(&seen)), seen)
}

/// A runtime whose blocking pool has so many threads.
fn pool(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(threads).enable_all().build().expect("threads")
}

mod queue_of_one_thread {
    use super::*;

    #[subscriber(topic = "in", order = None, concurrency = 40, timeout = "500ms", retry(attempts = 2, backoff = "10ms"), on_error = DeadLetter)]
    fn slow(_id: u64, State(seen): State<Arc<Seen>>) {
        seen.call(|| thread::sleep(Duration::from_millis(50)));
    }

    #[test]
    fn the_wait_for_a_thread_is_no_part_of_a_timeout() {
        let (app, seen) = app(module_path!());
        // The clock of this runtime is the real one, and all 40 calls wait for one thread: 2 s.
        pool(1).block_on(async {
            let app = TestApp::start(app).await;
            for id in 0..40_u64 {
                app.append("in", &id);
            }
            app.settle().await;
            assert_eq!(app.dead_letters("in").len(), 0);
            assert_eq!((seen.begun.load(SeqCst), seen.most_at_once.load(SeqCst)), (40, 1));
            assert_eq!(app.shutdown().await.code, 0);
        });
    }
}

mod too_long {
    use super::*;

    #[subscriber(topic = "in", timeout = "50ms", retry(attempts = 3, backoff = "10ms"), on_error = DeadLetter)]
    fn slow(id: u64, metadata: Metadata, State(seen): State<Arc<Seen>>) {
        seen.note(format!("{id} begins {}", metadata.attempt));
        seen.call(|| thread::sleep(Duration::from_millis(if id == 0 { 600 } else { 0 })));
        seen.note(format!("{id} ends {}", metadata.attempt));
    }

    #[subscriber(topic = "in-dlt", group = "graves")]
    async fn dead(id: u64, State(seen): State<Arc<Seen>>) {
        seen.note(format!("{id} is dead"));
    }

    async fn play() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        app.append("in", &0_u64);
        app.append("in", &1_u64);
        app.settle().await;
        let zero: Vec<_> = seen.log().into_iter().filter(|line| line.starts_with('0')).collect();
        let right =
            ["0 begins 1", "0 ends 1", "0 begins 2", "0 ends 2", "0 begins 3", "0 ends 3", "0 is dead"];
        assert_eq!(zero, right, "each attempt is waited for, and so is its dead letter");
        assert_eq!(seen.most_at_once.load(SeqCst), 1);
        let letters = app.dead_letters("in");
        assert!(letters[0].error.contains("longer than the handler's `timeout`"), "{letters:?}");
    }

    #[faststream::test(real_time)]
    async fn a_call_that_took_too_long_is_waited_for_before_its_next_attempt_and_its_dead_letter() {
        play().await;
    }

    /// What blocks for longer than a moment takes as long in virtual time.
    #[faststream::test]
    async fn in_virtual_time_it_is_as_well() {
        play().await;
    }
}

mod given_back {
    use super::*;

    #[subscriber(topic = "in", order = None, concurrency = 100, drain = "300ms")]
    fn slow(_id: u64, State(seen): State<Arc<Seen>>) {
        seen.call(|| thread::sleep(Duration::from_millis(100)));
    }

    #[test]
    fn a_queued_call_never_begins_once_the_app_stops_and_the_stop_does_not_wait_for_it() {
        let (app, seen) = app(module_path!());
        let runtime = pool(4);
        let exit = runtime.block_on(async {
            let app =
                TestApp::start(app.group_settings(GroupSettings::new().drain(Duration::from_millis(300))))
                    .await;
            for id in 0..100_u64 {
                app.append("in", &id);
            }
            while seen.begun.load(SeqCst) < 8 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let began = Instant::now();
            let exit = app.shutdown().await;
            seen.over.store(true, SeqCst);
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(300)).await;
            exit
        });
        // Those that ran ended within the drain time, and nothing else began.
        assert_eq!((exit.code, exit.messages), (0, vec![]));
        assert_eq!(seen.begun_when_over.load(SeqCst), 0);
        assert!(seen.begun.load(SeqCst) < 30, "{}", seen.begun.load(SeqCst));
    }
}

mod cut_off {
    use super::*;

    #[subscriber(topic = "in", order = None, concurrency = 20, drain = "100ms")]
    fn stuck(_id: u64, State(seen): State<Arc<Seen>>) {
        seen.call(|| thread::sleep(Duration::from_secs(1)));
    }

    #[test]
    fn a_stop_ends_by_its_deadline_and_says_how_many_calls_still_run() {
        let (app, seen) = app(module_path!());
        pool(3).block_on(async {
            let app =
                TestApp::start(app.group_settings(GroupSettings::new().drain(Duration::from_millis(100))))
                    .await;
            for id in 0..20_u64 {
                app.append("in", &id);
            }
            while seen.running.load(SeqCst) < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let began = Instant::now();
            let exit = app.shutdown().await;
            seen.over.store(true, SeqCst);
            assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
            assert_eq!(exit.code, 2);
            assert!(
                exit.messages[0].contains("3 calls of a plain `fn` (offsets 0, 1, 2) are still running"),
                "{exit:?}"
            );
            tokio::time::sleep(Duration::from_millis(1_300)).await;
        });
        assert_eq!((seen.begun.load(SeqCst), seen.begun_when_over.load(SeqCst)), (3, 0));
    }
}

mod assigned_again {
    use super::*;

    #[subscriber(topic = "in", drain = "20ms")]
    fn slow(id: u64, State(seen): State<Arc<Seen>>) {
        let first = seen.begun.load(SeqCst) == 0;
        seen.note(format!("{id} begins"));
        seen.call(|| thread::sleep(Duration::from_millis(if first { 600 } else { 0 })));
        seen.note(format!("{id} ends"));
    }

    #[faststream::test(real_time)]
    async fn a_call_that_outlived_its_assignment_is_waited_for_by_the_next_one_in_the_same_process() {
        let (app, seen) = app(module_path!());
        let app =
            TestApp::start(app.group_settings(GroupSettings::new().drain(Duration::from_millis(20)))).await;
        app.append("in", &7_u64);
        while seen.running.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        app.broker().rebalance("plain");
        app.settle().await;
        while seen.log().len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(seen.log(), ["7 begins", "7 ends", "7 begins", "7 ends"]);
        assert_eq!(seen.most_at_once.load(SeqCst), 1);
    }
}

mod blocks {
    use super::*;

    /// Blocks in the ways that only a thread of its own allows.
    #[subscriber(topic = "in", retry(attempts = 1))]
    fn block(id: u64, State(seen): State<Arc<Seen>>, State(lock): State<Arc<tokio::sync::Mutex<u64>>>) {
        *lock.blocking_lock() += id;
        let (tell, told) = tokio::sync::oneshot::channel();
        Handle::current().spawn(async move { tell.send(id) });
        assert_eq!(told.blocking_recv(), Ok(id));
        Handle::current().block_on(async {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        });
        // A client with a runtime of its own, as blocking ones have.
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        own.block_on(tokio::time::sleep(Duration::from_millis(1)));
        drop(own);
        seen.call(|| {});
    }

    async fn play() {
        let (app, seen) = app(module_path!());
        let lock = Arc::new(tokio::sync::Mutex::new(0_u64));
        let app = TestApp::start(app.state(Arc::clone(&lock))).await;
        app.publish("in", &3_u64).await;
        app.publish("in", &4_u64).await;
        assert_eq!(app.held(), []);
        assert_eq!((seen.begun.load(SeqCst), *lock.lock().await), (2, 7));
    }

    #[faststream::test]
    async fn a_plain_handler_may_block_in_virtual_time() {
        play().await;
    }

    #[faststream::test(real_time)]
    async fn a_plain_handler_may_block_in_real_time() {
        play().await;
    }
}

mod clock {
    use super::*;

    #[subscriber(topic = "in", timeout = "1s", retry(attempts = 1), on_error = Skip)]
    fn work(id: u64, State(seen): State<Arc<Seen>>) {
        match id {
            // Real work, which takes no virtual time.
            0 => thread::sleep(Duration::from_millis(30)),
            millis => block_for(Duration::from_millis(millis)),
        }
        seen.call(|| {});
    }

    #[faststream::test]
    async fn the_clock_stands_still_while_a_plain_handler_runs_and_moves_by_what_it_blocks_for() {
        let (app, seen) = app(module_path!());
        let app = TestApp::start(app).await;
        let began = tokio::time::Instant::now();
        app.publish("in", &0_u64).await;
        assert!(began.elapsed() < Duration::from_millis(20), "{:?}", began.elapsed());
        let began = tokio::time::Instant::now();
        app.publish("in", &600_000_u64).await;
        let took = began.elapsed();
        assert!((Duration::from_secs(600)..Duration::from_secs(620)).contains(&took), "{took:?}");
        assert_eq!(seen.begun.load(SeqCst), 2);
        let errors: Vec<_> = app.calls("work").into_iter().map(|call| call.error.is_some()).collect();
        assert_eq!(errors, [false, true], "ten minutes are longer than its `timeout`");
    }
}

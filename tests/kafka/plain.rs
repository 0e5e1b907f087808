//! Plain functions on a real broker: what waits for a thread neither fails nor begins when nobody wants it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Kafka as Broker;
use faststream::{FastStream, GroupSettings, State, subscriber};
use faststream_core::app::{Environment, LaunchOptions, Plan, StartOptions};

use crate::broker::Kafka;
use crate::client::{committed, create_topic, produce, read};
use crate::wait::{PATIENCE, wait_until};

#[derive(Default)]
struct Calls {
    begun: AtomicU64,
    is_over: AtomicBool,
    begun_when_over: AtomicU64,
}

impl Calls {
    fn call(&self, time: Duration) {
        self.begun.fetch_add(1, SeqCst);
        if self.is_over.load(SeqCst) {
            self.begun_when_over.fetch_add(1, SeqCst);
        }
        thread::sleep(time);
    }
}

mod one_thread {
    use super::*;

    #[subscriber(topic = "plain", group = "plain", order = None, concurrency = 40, timeout = "500ms", retry(attempts = 2, backoff = "10ms"), on_error = DeadLetter)]
    fn slow(_id: u64, State(calls): State<Arc<Calls>>) {
        calls.call(Duration::from_millis(300));
    }

    pub(super) fn plan(brokers: &str, calls: &Arc<Calls>) -> Plan {
        super::plan(brokers, calls, module_path!())
    }
}

mod eight_threads {
    use super::*;

    #[subscriber(topic = "plain-stopped", group = "plain", order = None, concurrency = 64)]
    fn slow(_id: u64, State(calls): State<Arc<Calls>>) {
        calls.call(Duration::from_millis(300));
    }

    pub(super) fn plan(brokers: &str, calls: &Arc<Calls>) -> Plan {
        super::plan(brokers, calls, module_path!())
    }
}

fn plan(brokers: &str, calls: &Arc<Calls>, module: &str) -> Plan {
    let setting =
        LaunchOptions { environment: Environment::only::<&str, &str>([]), ..LaunchOptions::default() };
    let app = FastStream::new(Broker::new(brokers)).name("plain").module(module).state(Arc::clone(calls));
    let settings = GroupSettings::new().drain(Duration::from_millis(500));
    app.group_settings(settings).plan(setting).expect("nothing is wrong")
}

/// A runtime whose blocking pool has so many threads.
fn pool(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(threads).enable_all().build().expect("threads")
}

/// On a thread that is no blocking one of the runtime: these are all in use.
async fn wait(what: &'static str, done: impl Fn() -> bool + Send + 'static) {
    let (is_done, answer) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        wait_until(what, PATIENCE, done);
        is_done.send(())
    });
    answer.await.expect("it comes");
}

#[test]
#[ignore = "needs Java and Maven"]
fn calls_that_wait_for_a_thread_do_not_fail_by_their_timeout_and_none_begins_after_the_end() {
    const RECORDS: u64 = 40;
    let kafka = Kafka::start("plain");
    let brokers = kafka.address();
    for topic in ["plain", "plain-dlt", "plain-stopped"] {
        create_topic(&brokers, topic, 2);
    }
    produce(&brokers, "plain", 2, 0, RECORDS, |id| id.to_string());
    produce(&brokers, "plain-stopped", 2, 0, 200, |id| id.to_string());

    let calls = Arc::new(Calls::default());
    let plan = one_thread::plan(&brokers, &calls);
    let done = {
        let brokers = brokers.clone();
        move || committed(&brokers, "plain", "plain", 2).values().sum::<i64>() == 40
    };
    let exit = pool(1).block_on(plan.run_until(StartOptions::default(), wait("all is committed", done)));
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
    assert_eq!(calls.begun.load(SeqCst), RECORDS, "none is called twice");
    assert_eq!(read(&brokers, "plain-dlt", 2).len(), 0);

    let calls = Arc::new(Calls::default());
    let plan = eight_threads::plan(&brokers, &calls);
    let some = {
        let calls = Arc::clone(&calls);
        move || calls.begun.load(SeqCst) >= 20
    };
    let runtime = pool(8);
    let mut stopped = Instant::now();
    let exit = runtime.block_on(plan.run_until(StartOptions::default(), async {
        wait("some are called", some).await;
        stopped = Instant::now();
    }));
    let (took, begun) = (stopped.elapsed(), calls.begun.load(SeqCst));
    calls.is_over.store(true, SeqCst);
    thread::sleep(Duration::from_secs(1));
    println!("{begun} of 200 were called, the stop took {took:?}");
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
    assert_eq!(calls.begun_when_over.load(SeqCst), 0);
    assert!(begun < 60 && took < Duration::from_secs(3), "{begun} calls, {took:?}");
}

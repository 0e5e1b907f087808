//! Hooks at a stop: what they are told of, and what they cannot hurt.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, TestApp, subscriber};
use tokio::time::sleep;

#[subscriber(topics = ["first", "second"], group = "slow")]
async fn slowly(_number: u64) {
    sleep(Duration::from_secs(2)).await;
}

#[faststream::test]
async fn a_revocation_in_the_middle_of_a_stop_tells_of_each_partition_once() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let telling = Arc::clone(&told);
    let app = FastStream::new(MemoryBroker::new()).name("stop").module(module_path!());
    let app = app.on_revoked(move |_hook, rebalance| {
        let told = Arc::clone(&telling);
        async move {
            let topics = rebalance.partitions.iter().map(|place| place.topic.to_string());
            told.lock().expect("not poisoned").extend(topics);
        }
    });
    let app = TestApp::start(app).await;
    for number in 0..3_u64 {
        app.append("first", &number);
        app.append("second", &number);
    }
    sleep(Duration::from_secs(1)).await;
    let broker = app.broker().clone();
    let revoke = async {
        sleep(Duration::from_millis(100)).await;
        broker.rebalance("slow");
    };
    let (exit, ()) = tokio::join!(app.shutdown(), revoke);
    assert_eq!(exit.code, 0);
    let mut told = told.lock().expect("not poisoned").clone();
    told.sort();
    assert_eq!(told, ["first", "second"]);
}

#[faststream::test]
async fn a_hook_that_panics_at_the_stop_keeps_no_other_from_running() {
    let ran: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (second, last) = (Arc::clone(&ran), Arc::clone(&ran));
    let exit = FastStream::new(MemoryBroker::new())
        .name("stop")
        .module(module_path!())
        .on_shutdown(|| -> std::future::Ready<()> { panic!("by the test") })
        .on_shutdown(move || async move { second.lock().expect("not poisoned").push("second") })
        .after_shutdown(move || async move { last.lock().expect("not poisoned").push("last") })
        .run_until(sleep(Duration::from_secs(1)))
        .await;
    assert_eq!((exit.code, ran.lock().expect("not poisoned").as_slice()), (0, &["second", "last"][..]));
    assert_eq!(exit.messages, ["hook 1 of `on_shutdown` panicked"]);
}

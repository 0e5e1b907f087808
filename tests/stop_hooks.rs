//! A revocation in the middle of a stop: what hooks are told of.

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
    let app = FastStream::new(MemoryBroker::new()).name("stop").on_revoked(move |_hook, rebalance| {
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

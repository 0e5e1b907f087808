//! A service whose handlers are in trouble, measured by the tests. Each has a partition 0, in which the record 0 goes wrong,
//! and a partition 1, in which nothing does.

use std::thread;
use std::time::Duration;

use faststream::kafka::Kafka;
use faststream::{FastStream, subscriber};

const FOR_EVER: Duration = Duration::from_secs(3600);

#[subscriber(topic = "panics", retry(attempts = 2, backoff = "10ms"))]
async fn panics(id: u64) {
    assert!(id != 0, "nought is bad");
}

#[subscriber(topic = "fails", retry(attempts = 2, backoff = "10ms"))]
async fn fails(id: u64) -> Result<(), String> {
    if id == 0 { Err("nought is bad".into()) } else { Ok(()) }
}

#[subscriber(topic = "undecodable")]
async fn undecodable(_id: u64) {}

#[subscriber(topic = "blocks")]
async fn blocks(id: u64) {
    if id == 0 {
        thread::sleep(FOR_EVER);
    }
}

#[subscriber(topic = "blocks-plain")]
fn blocks_plain(id: u64) {
    if id == 0 {
        loop {
            thread::park();
        }
    }
}

#[subscriber(topic = "hangs")]
async fn hangs(id: u64) {
    if id == 0 {
        std::future::pending::<()>().await;
    }
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("trouble")
}

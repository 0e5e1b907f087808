//! A service whose handlers block every thread: `tests/cli/stuck.rs` stops it with signals.

use std::thread;
use std::time::Duration;

use faststream::kafka::Kafka;
use faststream::{FastStream, subscriber};

#[subscriber(topic = "stuck", drain = "1s")]
async fn stuck(_id: u64) {
    eprintln!("stuck now");
    thread::sleep(Duration::from_secs(3600));
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("stuck")
}

//! The service of `tests/kafka/chaos`: it appends each record that it handles to a file, as a line
//! `milliseconds partition id`.
//!
//! TOPIC names what it reads, GROUP its group, HANDLED the file, `MAX_UNCOMMITTED` the brake,
//! SLOW how many milliseconds each call takes. It is stopped, frozen and killed by the tests.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, SystemTime};

use faststream::kafka::Kafka;
use faststream::{FastStream, GroupSettings, Metadata, State, subscriber};
use serde::Deserialize;

#[derive(Deserialize)]
struct Tick {
    id: u64,
}

/// The file, and how long each call takes.
struct Handled(File, Duration);

/// Appends what it handled: one write, which is whole or not there.
#[subscriber(topic = "${TOPIC}", group = "${GROUP}")]
async fn tick(tick: Tick, metadata: Metadata, State(handled): State<Handled>) -> std::io::Result<()> {
    if !handled.1.is_zero() {
        tokio::time::sleep(handled.1).await;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let line = format!("{now} {} {}\n", metadata.partition, tick.id);
    (&handled.0).write_all(line.as_bytes())
}

#[faststream::main]
async fn app() -> FastStream {
    let path = std::env::var("HANDLED").expect("HANDLED names a file");
    let file = OpenOptions::new().append(true).create(true).open(path).expect("the file can be written");
    let brake = std::env::var("MAX_UNCOMMITTED").map_or(10_000, |text| text.parse().expect("a number"));
    let slow = std::env::var("SLOW").map_or(0, |text| text.parse().expect("milliseconds"));
    let slow = Duration::from_millis(slow);
    FastStream::new(Kafka::from_env())
        .name("chaos")
        .group_settings(GroupSettings::new().max_uncommitted(brake))
        .state(Handled(file, slow))
}

//! The loop that one writes by hand with rdkafka's `StreamConsumer`, as a member that can be killed: this very program.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::SystemTime;

use faststream_kafka::rdkafka::consumer::{Consumer, StreamConsumer};
use faststream_kafka::rdkafka::{ClientConfig, Message};
use tokio::signal::unix::{SignalKind, signal};

use crate::service::Service;

/// Its settings, one a line.
const SETTINGS: &str = "RAW_SETTINGS";
const NAME: &str = "chaos::raw::a_loop_that_is_written_by_hand_is_a_member";

/// Those of faststream that matter here.
const SAME: &str = "auto.offset.reset=earliest
enable.auto.offset.store=false
auto.commit.interval.ms=1000
heartbeat.interval.ms=1000
topic.metadata.refresh.interval.ms=30000
reconnect.backoff.ms=100
reconnect.backoff.max.ms=2000
socket.timeout.ms=10000
fetch.wait.max.ms=100
fetch.queue.backoff.ms=10";

pub(super) fn start(brokers: &str, log: &str, properties: &[&str], variables: &[(&str, &str)]) -> Service {
    let settings = format!("{SAME}\nbootstrap.servers={brokers}\n{}", properties.join("\n"));
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(["--ignored", "--exact", NAME, "--nocapture"]);
    command.env(SETTINGS, settings).envs(variables.iter().copied());
    Service::spawn(command, log)
}

/// It is started by the chaos, with its settings in the environment.
#[tokio::test]
#[ignore = "is started by another test"]
async fn a_loop_that_is_written_by_hand_is_a_member() {
    let Ok(settings) = std::env::var(SETTINGS) else { return };
    let variable = |name| std::env::var(name).expect("it is set");
    let mut config = ClientConfig::new();
    config.set("group.id", variable("GROUP"));
    for (name, value) in settings.lines().filter_map(|line| line.split_once('=')) {
        config.set(name, value);
    }
    let mut file = File::options().append(true).create(true).open(variable("HANDLED")).expect("the file");
    let mut term = signal(SignalKind::terminate()).expect("a signal");
    let consumer: StreamConsumer = config.create().expect("a consumer");
    consumer.subscribe(&[&variable("TOPIC")]).expect("subscribed");
    loop {
        let received = tokio::select! {
            biased;
            _ = term.recv() => return,
            received = consumer.recv() => received,
        };
        match received {
            Ok(message) => {
                let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
                let id = text.trim_start_matches(r#"{"id":"#).trim_end_matches('}');
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let line = format!("{} {} {id}\n", now.as_millis(), message.partition());
                file.write_all(line.as_bytes()).expect("it is written");
                if let Err(error) = consumer.store_offset_from_message(&message) {
                    eprintln!("{error}");
                }
            }
            Err(error) => eprintln!("{error}"),
        }
    }
}

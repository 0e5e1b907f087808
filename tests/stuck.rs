//! Handlers that block every thread there is: a signal ends the process all the same. Its own program, because the
//! generated `main` runs in it: started by the test as a process, with this variable set.
#![allow(clippy::print_stdout, reason = "a test prints")]

use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka, KafkaConfig, Protocol};
use faststream::{FastStream, subscriber};
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::mocking::MockCluster;
use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const SERVICE: &str = "FASTSTREAM_STUCK_SERVICE";
const LIMIT: Duration = Duration::from_secs(20);

#[subscriber(topic = "stuck", drain = "1s")]
async fn stuck(_id: u64) {
    eprintln!("stuck now");
    thread::sleep(Duration::from_secs(3600));
}

fn main() -> ExitCode {
    if let Ok(brokers) = std::env::var(SERVICE) {
        let config = KafkaConfig::new(brokers).protocol(Protocol::Consumer);
        return faststream::run(FastStream::new(Kafka::with(config)).name("stuck"));
    }
    // `cargo test` may be asked for other tests, or for a list: there is one, and it is always the same.
    a_signal_ends_a_service_whose_handlers_block_every_thread();
    a_second_signal_ends_it_at_once_unless_it_is_the_first_once_more();
    ExitCode::SUCCESS
}

fn a_signal_ends_a_service_whose_handlers_block_every_thread() {
    // The drain time of 1 s, and 2 s; a busy machine adds to it.
    let (took, log) = play(&[("-TERM", Duration::ZERO)], 2);
    assert!(took < Duration::from_millis(3_500), "only after {took:?}");
    assert!(log.contains("stuck/0") || log.contains("topic=stuck partition=0 offset=0"), "{log}");
    assert!(log.contains("handlers block every thread"), "{log}");
    println!("a service whose handlers block every thread ended {took:?} after SIGTERM");
}

fn a_second_signal_ends_it_at_once_unless_it_is_the_first_once_more() {
    let (took, log) = play(&[("-TERM", Duration::ZERO), ("-TERM", Duration::from_millis(50))], 2);
    assert!(took > Duration::from_secs(1), "a wrapper's double signal ended it after {took:?}: {log}");
    for (first, second) in [("-TERM", "-INT"), ("-INT", "-TERM")] {
        let (took, log) = play(&[(first, Duration::ZERO), (second, Duration::from_millis(700))], 130);
        assert!(took < Duration::from_millis(700), "{first}, {second}: {took:?}: {log}");
    }
}

/// Signals, each after a pause; what it exits with. Returns how long the last one took, and the log.
fn play(signals: &[(&str, Duration)], expected: i32) -> (Duration, String) {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster.create_topic("stuck", 1, 1).expect("a topic");
    let brokers = cluster.bootstrap_servers();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("a producer");
    producer.send(BaseRecord::<(), str>::to("stuck").partition(0).payload("1")).expect("it is queued");
    producer.flush(LIMIT).expect("it is written");

    let log = std::env::temp_dir().join(format!("faststream-stuck-{}.log", std::process::id()));
    let mut service = Command::new(std::env::current_exe().expect("this binary has a path"))
        .env(SERVICE, &brokers)
        .env("TOKIO_WORKER_THREADS", "1")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("its log"))
        .spawn()
        .expect("this binary runs");
    let text = || std::fs::read_to_string(&log).expect("its log");
    let mut wait = |what: &str, done: &mut dyn FnMut(&mut std::process::Child) -> bool| {
        let began = Instant::now();
        while !done(&mut service) {
            if began.elapsed() > LIMIT {
                let _ = service.kill();
                let _ = service.wait();
                panic!("not within {LIMIT:?}: {what}; it logged:\n{}", text());
            }
            thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    };
    wait("the handler is stuck", &mut |_| text().contains("stuck now"));
    for (signal, pause) in signals {
        thread::sleep(*pause);
        wait("the signal is sent", &mut |service| {
            let kill = Command::new("kill").args([*signal, &service.id().to_string()]).status();
            kill.expect("kill runs").success()
        });
    }
    let mut code = None;
    let took = wait("it ends", &mut |service| {
        code = service.try_wait().expect("it can be waited for");
        code.is_some()
    });
    assert_eq!(code.and_then(|status| status.code()), Some(expected), "{}", text());
    let said = text();
    let _ = std::fs::remove_file(log);
    (took, said)
}

//! How a service starts: one membership a group, and whatever it has to wait for is named and awaited.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka, KafkaConfig, Protocol};
use faststream::{FastStream, State};
use faststream_core::app::{LaunchOptions, Running, StartOptions};
use faststream_kafka::rdkafka::mocking::MockCluster;

use crate::broker::{self, free_port};
use crate::client::{create_topic, ends, produce};
use crate::service::Service;
use crate::wait::wait_until;

const TOPICS: [&str; 5] = ["five-a", "five-b", "five-c", "five-d", "five-e"];
const PARTITIONS: i32 = 2;
/// No part of a test takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// How many records were handled.
#[derive(Default)]
struct Handled(AtomicUsize);

impl Handled {
    fn one(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    fn all(&self) -> usize {
        self.0.load(SeqCst)
    }
}

mod first {
    use super::{Handled, State};
    use faststream::subscriber;

    #[subscriber(topic = "five-a", group = "first")]
    async fn first(_id: u64, State(handled): State<Handled>) {
        handled.one();
    }
}

mod one {
    use super::{Handled, State};
    use faststream::subscriber;

    #[subscriber(topic = "five-a", group = "one")]
    async fn alone(_id: u64, State(handled): State<Handled>) {
        handled.one();
    }
}

mod five {
    use super::{Handled, State};
    use faststream::subscriber;

    #[subscriber(topic = "five-a", group = "five")]
    async fn a(_id: u64, State(handled): State<Handled>) {
        handled.one();
    }

    #[subscriber(topic = "five-b", group = "five")]
    async fn b(_id: u64, State(handled): State<Handled>) {
        handled.one();
    }

    #[subscriber(topic = "five-c", group = "five")]
    async fn c(_id: u64, State(handled): State<Handled>) {
        handled.one();
    }

    #[subscriber(topic = "five-d", group = "five")]
    fn d(_id: u64, State(handled): State<Handled>) {
        handled.one();
    }

    #[subscriber(topic = "five-e", group = "five")]
    async fn e(_id: u64, State(handled): State<Handled>) {
        handled.one();
    }
}

fn config(brokers: &str, protocol: Protocol) -> KafkaConfig {
    let config = KafkaConfig::new(brokers).protocol(protocol);
    match protocol {
        Protocol::Consumer => config,
        _ => config.session_timeout(Duration::from_secs(6)),
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < until, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn stop(mut running: Running) {
    running.shutdown();
    let exit = tokio::time::timeout(LIMIT, running.ended()).await.expect("it ends");
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
}

/// From the start to the moment at which the one record of each partition is handled and the app is ready.
async fn start_up(config: KafkaConfig, module: &str, partitions: usize) -> Duration {
    let app = FastStream::new(Kafka::with(config)).name("start").module(module).state(Handled::default());
    let plan = app.plan(LaunchOptions::default()).expect("a right app");
    let handled: Arc<Handled> = plan.state().expect("given above");
    let began = Instant::now();
    let running = plan.start(StartOptions::default()).await.expect("it starts");
    until("all is handled", || handled.all() == partitions && running.health().ready).await;
    let took = began.elapsed();
    assert_eq!(running.partitions(), partitions);
    stop(running).await;
    took
}

/// Five handlers of one group are one membership: they start when one would.
fn compare(what: &str, brokers: &str, protocol: Protocol) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("threads");
    for topic in TOPICS {
        produce(brokers, topic, PARTITIONS, 0, 2, |id| id.to_string());
    }
    let start = |handlers, partitions| {
        let module = format!("{}::{handlers}", module_path!());
        runtime.block_on(start_up(config(brokers, protocol), &module, partitions))
    };
    // The first group of a cluster waits for the coordinator, too: not compared.
    start("first", 2);
    let one = start("one", 2);
    let five = start("five", 10);
    println!("{what}: one handler after {one:?}, five after {five:?}");
    assert!(five <= one + Duration::from_secs(1), "{what}: one handler after {one:?}, five after {five:?}");
    runtime.shutdown_background();
}

#[test]
#[ignore = "needs Java and Maven"]
fn five_handlers_of_one_group_start_as_fast_as_one() {
    let kafka = broker::Kafka::start("five");
    let brokers = kafka.address();
    for topic in TOPICS {
        create_topic(&brokers, topic, PARTITIONS);
    }
    compare("cooperative", &brokers, Protocol::Cooperative);
}

#[test]
fn five_handlers_of_one_group_start_as_fast_as_one_on_the_mock_cluster() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    for topic in TOPICS {
        cluster.create_topic(topic, PARTITIONS, 1).expect("a topic");
    }
    compare("mock, KIP-848", &cluster.bootstrap_servers(), Protocol::Consumer);
}

/// Passes a connection on, both ways, until one side closes it.
fn pass_on(client: TcpStream, broker: &str) {
    let Ok(broker) = TcpStream::connect(broker) else { return };
    let pump = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    };
    pump(client.try_clone().expect("a handle"), broker.try_clone().expect("a handle"));
    pump(broker, client);
}

/// The mock cluster cannot be started at a port of our choice: somebody listens there later, and passes on.
#[test]
fn an_app_waits_for_its_broker_and_works_when_it_comes() {
    let address = format!("127.0.0.1:{}", free_port());
    let app = FastStream::new(Kafka::with(config(&address, Protocol::Consumer)))
        .name("late")
        .module(concat!(module_path!(), "::one"))
        .state(Handled::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("threads");
    runtime.block_on(async {
        let plan = app.plan(LaunchOptions::default()).expect("a right app");
        let handled: Arc<Handled> = plan.state().expect("given above");
        let mut starting = std::pin::pin!(plan.start(StartOptions::default()));
        let waited = tokio::time::timeout(Duration::from_secs(2), &mut starting).await;
        assert!(waited.is_err(), "it is neither started nor given up");

        let cluster = MockCluster::new(1).expect("a mock cluster");
        cluster.create_topic(TOPICS[0], PARTITIONS, 1).expect("a topic");
        let brokers = cluster.bootstrap_servers();
        produce(&brokers, TOPICS[0], PARTITIONS, 0, 2, |id| id.to_string());
        let listener = TcpListener::bind(&address).expect("still free");
        thread::spawn(move || listener.incoming().flatten().for_each(|client| pass_on(client, &brokers)));
        let running = tokio::time::timeout(LIMIT, starting).await.expect("in time").expect("it starts");
        until("what was there is handled", || handled.all() == 2).await;
        assert!(running.health().ready, "{:?}", running.health());
        stop(running).await;
    });
    runtime.shutdown_background();
}

/// As a process: first no broker, then a broker without the topic, then all is there.
#[test]
#[ignore = "needs Java and Maven"]
fn a_service_waits_for_its_broker_then_for_its_topic_and_then_works() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    // Built before the clock runs.
    crate::program::example("orders");
    let began = Instant::now();
    let service = Service::start(&address, "waits", &["session.timeout.ms=6000"]);
    service.logs(LIMIT, &["WARN", &address, "waiting for it"]);
    // What is allowed is 2 s; a busy machine starts a process late.
    assert!(began.elapsed() < Duration::from_millis(2_500), "named after {:?}", began.elapsed());

    let kafka = broker::Kafka::start_at("waits", port);
    service.logs(LIMIT, &["WARN", "orders", "does not exist", "waiting for it"]);
    assert!(!service.log().contains(" assigned: "), "{}", service.log());
    create_topic(&address, "invoices", PARTITIONS);
    create_topic(&address, "orders", PARTITIONS);
    let created = Instant::now();
    produce(&address, "orders", PARTITIONS, 0, 2, |id| format!(r#"{{"id":{id},"item":"pen","quantity":2}}"#));
    service.logs(LIMIT, &["INFO", " assigned: ", "orders/"]);
    println!("assigned {:?} after the topic was created", created.elapsed());
    wait_until("both are billed", LIMIT, || {
        ends(&address, "invoices", PARTITIONS).values().sum::<i64>() == 2
    });
    assert!(created.elapsed() < Duration::from_secs(20), "only after {:?}", created.elapsed());
    assert_eq!(service.terminate().code(), Some(0));
    drop(kafka);
}

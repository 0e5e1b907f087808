//! What a broker says of a batch says nothing of one record in it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use faststream::kafka::Kafka as Broker;
use faststream::{FastStream, Publish, Publisher, publisher, subscriber};
use faststream_core::app::{Environment, LaunchOptions, StartOptions};
use faststream_core::record::OwnedRecord;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use faststream_kafka::rdkafka::client::DefaultClientContext;

use crate::broker::Kafka;
use crate::client::{create_topic, produce, read, records};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(30);
const RECORDS: u64 = 50;

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// 900 letters that do not compress, behind a number.
fn large(number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    let letters: String = (0..900).map(|_| random.alphanumeric()).collect();
    format!("{number:03} {letters}")
}

#[subscriber(topic = "batch-source", group = "batches", on_error = DeadLetter, retry(attempts = 2, backoff = "100ms"))]
#[publisher(topic = "batch-limited")]
async fn grow(number: u64, out: Publisher) -> Publish<String> {
    CALLS.fetch_add(1, SeqCst);
    if number == 0 {
        // By hand: one of them is too large by itself, and is the only one that is refused.
        let values = (0..20)
            .map(|number| if number == 7 { "x".repeat(3000) + &large(7).repeat(3) } else { large(number) });
        let sent = out.send_all("batch-by-hand", values).await;
        let refused: Vec<usize> = (0..20).filter(|index| sent[*index].is_err()).collect();
        assert_eq!(refused, [7], "{sent:?}");
    }
    Publish::new(large(number)).key("k")
}

/// 1,400 bytes and headers, where 3,000 are allowed.
#[subscriber(topic = "batch-source-2", group = "batches", on_error = DeadLetter, retry(attempts = 2, backoff = "100ms"))]
#[publisher(topic = "batch-limited-2")]
async fn grow_with_headers(number: u64) -> Publish<String> {
    let letters = large(number) + &large(number + 1_000)[404..];
    Publish::new(letters).key(number % 3).header("trace", large(number)[..300].to_owned()).header("unit", "g")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and Maven"]
async fn a_topic_that_takes_no_batch_takes_each_of_its_records_in_order() {
    let kafka = Kafka::start("batches");
    let brokers = kafka.address();
    for topic in ["batch-source", "batch-source-dlt", "batch-source-2", "batch-source-2-dlt"] {
        create_topic(&brokers, topic, 1);
    }
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("an admin client");
    for (topic, limit) in [("batch-limited", "2000"), ("batch-by-hand", "2000"), ("batch-limited-2", "3000")]
    {
        let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", limit);
        let made = admin.create_topics([&topic], &AdminOptions::new()).await.expect("an answer");
        made.into_iter().next().expect("one").expect("made");
    }
    for topic in ["batch-source", "batch-source-2"] {
        produce(&brokers, topic, 1, 0, RECORDS, |number| number.to_string());
    }

    // Everything of one burst is one batch.
    let broker = Broker::new(&brokers).property("linger.ms", "50");
    let setting =
        LaunchOptions { environment: Environment::only::<&str, &str>([]), ..LaunchOptions::default() };
    let app = FastStream::new(broker).name("batches").module(module_path!());
    let plan = app.plan(setting).expect("nothing is wrong");
    let is_done = async {
        let brokers = brokers.clone();
        let is_there = move |topic: &str| read(&brokers, topic, 1).len() >= 50;
        let there = move || {
            wait_until("all results", LIMIT, || is_there("batch-limited") && is_there("batch-limited-2"));
        };
        tokio::task::spawn_blocking(there).await.expect("they come");
    };
    let exit = plan.run_until(StartOptions::default(), is_done).await;
    assert_eq!(exit.code, 0, "{:?}", exit.messages);

    let expected: Vec<String> = (0..RECORDS).map(|number| format!("{number:03}")).collect();
    for topic in ["batch-limited", "batch-limited-2"] {
        let number = |(_, record): &(i32, OwnedRecord)| {
            String::from_utf8_lossy(&record.payload.clone().unwrap_or_default())[1..4].to_owned()
        };
        let written: Vec<String> = records(&brokers, topic, 1).iter().map(number).collect();
        assert_eq!(written, expected, "{topic}: each once, in order");
    }
    assert_eq!(read(&brokers, "batch-source-2-dlt", 1).len(), 0, "no dead letter");
    assert_eq!(read(&brokers, "batch-source-dlt", 1).len(), 0, "no dead letter");
    assert_eq!(read(&brokers, "batch-by-hand", 1).len(), 19, "all but the one that is too large");
    assert_eq!(CALLS.load(SeqCst), 50, "no call is made again");
}

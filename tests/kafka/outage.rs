//! A broker that answers nothing for longer than the producer waits: results stay in order, and none is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use faststream::kafka::Kafka as Broker;
use faststream::{FastStream, publisher, subscriber};
use faststream_core::app::{Environment, Setting, StartOptions};

use crate::broker::Kafka;
use crate::client::{create_topic, produce, read};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);
const RECORDS: u64 = 3_000;
/// Three times as long as a record may be on its way.
const OUTAGE: Duration = Duration::from_secs(9);

#[subscriber(topic = "outage-source", group = "outage")]
#[publisher(topic = "outage-results", key = |_: &u64| "k")]
async fn echo(number: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    number
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and Maven"]
async fn results_stay_in_order_while_a_broker_answers_nothing_for_longer_than_a_record_may_take() {
    let kafka = Kafka::start("outage");
    let brokers = kafka.address();
    for topic in ["outage-source", "outage-results"] {
        create_topic(&brokers, topic, 1);
    }
    produce(&brokers, "outage-source", 1, 0, RECORDS, |number| number.to_string());
    let backend = Broker::new(&brokers).property("message.timeout.ms", "3000");
    let setting = Setting { environment: Environment::only::<&str, &str>([]), ..Setting::default() };
    let app = FastStream::new(backend).name("outage").module(module_path!());
    let plan = app.plan(setting).expect("nothing is wrong");
    let mut written = Vec::new();
    let mut broker = None;
    let is_done = async {
        let outage = move || {
            let written = || read(&kafka.address(), "outage-results", 1);
            wait_until("the first results", LIMIT, || written().len() >= 50);
            kafka.freeze();
            // Nothing to wait for: what is tested is that it lasts.
            std::thread::sleep(OUTAGE);
            kafka.thaw();
            let all = || written().into_iter().collect::<BTreeSet<_>>().len() as u64 == RECORDS;
            wait_until("all results", LIMIT, all);
            (written(), kafka)
        };
        let (all, kafka) = tokio::task::spawn_blocking(outage).await.expect("all come");
        // It is still there when the app stops.
        (written, broker) = (all, Some(kafka));
    };
    let exit = plan.run_until(StartOptions::default(), is_done).await;
    drop(broker);
    assert_eq!(exit.code, 0, "{:?}", exit.sentences);
    let mut last = None;
    let mut seen = BTreeSet::new();
    for payload in written {
        let number: u64 = String::from_utf8_lossy(&payload).parse().expect("a number");
        if seen.insert(number) {
            assert!(last.is_none_or(|last| last < number), "{number} comes behind {last:?}");
            last = Some(number);
        }
    }
}

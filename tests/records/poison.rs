//! User code that panics anywhere on the way of a record: its policy's outcome, and everything else goes on.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{
    Delivery, FastStream, FromDelivery, Outgoing, Partition, Publish, Rejection, TestApp, publisher,
    subscriber,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Reads any number, and panics at 13.
struct Unlucky(u64);

impl<'de> Deserialize<'de> for Unlucky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        assert!(number != 13, "the decoder panics");
        Ok(Self(number))
    }
}

impl Serialize for Unlucky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.0 != 14, "the encoder panics");
        serializer.serialize_u64(self.0)
    }
}

struct Picky;

impl FromDelivery for Picky {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        assert!(delivery.record().payload != Some(b"15"), "the extractor panics");
        Ok(Self)
    }
}

/// Panics when it is dropped unfinished.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a dropped call panics");
    }
}

#[subscriber(topic = "numbers", group = "poison", retry(attempts = 2, backoff = "10ms"), on_error = DeadLetter)]
#[publisher(topic = "results")]
async fn handle(number: Unlucky, _picky: Picky) -> Publish<Unlucky> {
    assert!(number.0 != 16, "the handler panics");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(number.0 != 18, "the handler panics later");
    Publish::new(Unlucky(number.0))
}

#[subscriber(topic = "keyed", group = "poison", retry(attempts = 2, backoff = "10ms"), on_error = DeadLetter)]
#[publisher(topic = "results", key = |number: &u64| { assert!(*number != 13, "the key panics"); number.to_string() })]
async fn keyed(number: u64) -> u64 {
    number
}

#[subscriber(topic = "bombs", group = "poison", timeout = "1s", retry(attempts = 2, backoff = "10ms"))]
async fn bomb(number: u64) {
    if number == 13 {
        let bomb = Bomb;
        tokio::time::sleep(Duration::from_secs(60)).await;
        std::mem::forget(bomb);
    }
}

fn app() -> FastStream {
    FastStream::new(MemoryBroker::new()).name("poison").module(module_path!())
}

#[faststream::test]
async fn a_panic_in_decoder_extractor_handler_encoder_or_key_is_a_failed_attempt() {
    let app = TestApp::start(app()).await;
    for number in 12..=18_u64 {
        app.append("numbers", &number);
    }
    for number in 12..=14_u64 {
        app.append("keyed", &number);
    }
    app.settle().await;
    let mut results = app.published::<u64>("results").all();
    results.sort_unstable();
    assert_eq!(results, [12, 12, 14, 17]);
    let letters = app.dead_letters("numbers");
    let told: Vec<_> =
        letters.iter().map(|letter| (letter.offset, letter.attempts, letter.error.as_str())).collect();
    let expected = [
        (1, 2, "the decoder panics"),
        (2, 2, "the encoder panics"),
        (3, 2, "the extractor panics"),
        (4, 2, "the handler panics"),
        (6, 2, "the handler panics later"),
    ];
    assert_eq!(told, expected);
    assert_eq!(app.dead_letters("keyed")[0].error, "the key panics");
    app.advance(Duration::from_secs(2)).await;
    assert_eq!(app.committed("poison", "numbers")[&0], 7);
}

/// The lane's task dies of it, and is started again, later each time; its neighbour does not notice.
#[faststream::test]
async fn a_call_that_panics_while_it_is_cancelled_costs_its_partition_a_restart_and_nobody_else_anything() {
    let app = TestApp::start(app()).await;
    app.broker().add_partitions("bombs", 2);
    let numbers = |app: &TestApp| app.calls("bomb").len();
    let write = |number: &'static str, partition| {
        app.append_record(Outgoing {
            partition: Partition::Exactly(partition),
            ..Outgoing::new("bombs", number)
        });
    };
    write("13", 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = numbers(&app);
    write("1", 1);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(numbers(&app), before + 1, "the other partition goes on");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(app.committed("poison", "bombs").get(&0), None, "nothing is lost");
    assert!(app.health().live);
}

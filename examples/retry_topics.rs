//! What fails is tried again later, and nothing waits for it: through retry topics, which survive a crash.

use faststream::kafka::Kafka;
use faststream::{FastStream, Metadata, publisher, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Charge {
    id: u64,
    /// The card's bank is made up: it answers from this attempt on.
    answers_at: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    charge: u64,
    attempts: u32,
}

/// Charges a card. If its bank does not answer, again after 2 s, then after another 5 s, then to `charges-dlt`: by way of
/// `charges-payments-retry-2s` and `charges-payments-retry-5s`, which are made at start.
#[subscriber(topic = "charges", retry(topics = ["2s", "5s"]), on_error = DeadLetter)]
#[publisher(topic = "receipts")]
async fn charge(charge: Charge, metadata: Metadata) -> anyhow::Result<Receipt> {
    anyhow::ensure!(metadata.attempt >= charge.answers_at, "the bank does not answer");
    Ok(Receipt { charge: charge.id, attempts: metadata.attempt })
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("payments")
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;

    #[faststream::test]
    async fn a_charge_that_fails_is_tried_again_and_others_do_not_wait_for_it() {
        let app = TestApp::start(app().await).await;
        for (id, answers_at) in [(1, 3), (2, 1), (3, 9)] {
            app.append("charges", &Charge { id, answers_at });
        }
        app.settle().await;
        let receipts = app.published::<Receipt>("receipts").all();
        assert_eq!(receipts, [Receipt { charge: 2, attempts: 1 }, Receipt { charge: 1, attempts: 3 }]);
        let letters = app.dead_letters("charges");
        assert_eq!((letters.len(), letters[0].offset, letters[0].attempts), (1, 2, 3));
    }
}

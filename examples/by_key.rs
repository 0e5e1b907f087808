//! Records of one key in order, sixteen keys at a time: a slow key delays nobody else.

use std::time::Duration;

use faststream::kafka::Kafka;
use faststream::{FastStream, Key, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Payment {
    account: u64,
    cents: i64,
}

/// Books a payment; those of one account in their order.
#[subscriber(topic = "payments", order = Key, concurrency = 16)]
async fn book(payment: Payment, key: Option<Key<String>>) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let key = key.map_or_else(|| "-".into(), |key| key.0);
    tracing::info!(key, account = payment.account, cents = payment.cents, "booked");
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("bookkeeping")
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::{Outgoing, TestApp};

    #[faststream::test]
    async fn accounts_overtake_each_other_but_not_themselves() {
        let app = TestApp::start(app().await).await;
        let began = tokio::time::Instant::now();
        for number in 0..32 {
            let account = number % 16;
            let mut record =
                Outgoing::new("payments", format!(r#"{{"account":{account},"cents":{number}}}"#));
            record.key = Some(account.to_string().into());
            app.append_record(record);
        }
        app.settle().await;
        assert_eq!(app.calls("book").len(), 32);
        assert_eq!(began.elapsed().as_millis() / 10, 4, "sixteen at a time, two each");
    }
}

//! A Kafka service is annotated functions and nothing else.

use std::collections::BTreeMap;

use faststream::kafka::Kafka;
use faststream::{FastStream, State, publisher, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    item: String,
    quantity: u32,
}

#[derive(Serialize, Deserialize)]
struct Invoice {
    order: u64,
    total: f64,
}

struct Prices(BTreeMap<&'static str, f64>);

impl Default for Prices {
    fn default() -> Self {
        Self(BTreeMap::from([("pen", 2.5), ("ink", 8.0)]))
    }
}

impl Prices {
    async fn of(&self, item: &str) -> anyhow::Result<f64> {
        self.0.get(item).copied().ok_or_else(|| anyhow::anyhow!("no price for {item:?}"))
    }
}

/// Bills an order.
#[subscriber(topic = "orders", retry(attempts = 5, backoff = "200ms..10s"), on_error = DeadLetter)]
#[publisher(topic = "invoices")]
async fn bill(order: Order, State(prices): State<Prices>) -> anyhow::Result<Invoice> {
    let price = prices.of(&order.item).await?;
    Ok(Invoice { order: order.id, total: price * f64::from(order.quantity) })
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("billing").state(Prices::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;

    #[faststream::test]
    async fn bills_an_order() {
        let app = TestApp::start(app().await).await;
        app.publish("orders", &Order { id: 1, item: "pen".into(), quantity: 2 }).await;
        assert_eq!(app.published::<Invoice>("invoices").single().total, 5.0);
    }

    #[faststream::test]
    async fn an_order_without_a_price_is_a_dead_letter() {
        let app = TestApp::start(app().await).await;
        app.publish("orders", &Order { id: 1, item: "cup".into(), quantity: 2 }).await;
        assert!(app.published::<Invoice>("invoices").is_empty());
        assert_eq!(app.dead_letters("orders")[0].attempts, 5);
    }
}

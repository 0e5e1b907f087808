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

//! Publishing by hand: a handler that decides while it runs how many records it writes, and where to.

use faststream::kafka::Kafka;
use faststream::{FastStream, Publish, Publisher, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    items: Vec<String>,
}

/// Sends each item to the warehouse, and a notice if the order is large.
#[subscriber(topic = "orders")]
async fn split(order: Order, publisher: Publisher) -> anyhow::Result<()> {
    // All of them are on their way at once, and each is confirmed before the order is finished.
    let items = order.items.iter().map(|item| Publish::new(item.clone()).key(order.id)).collect::<Vec<_>>();
    for sent in publisher.send_all("items", items).await {
        sent?;
    }
    if order.items.len() > 2 {
        publisher.send("large-orders", Publish::new(order.id)).await?;
    }
    Ok(())
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("warehouse")
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;

    #[faststream::test]
    async fn each_item_is_a_record_with_the_key_of_its_order() {
        // `lenient`: no attribute names the topics that a `Publisher` writes.
        let app = TestApp::start(app().await).await.lenient();
        app.publish("orders", &Order { id: 7, items: vec!["pen".into(), "ink".into()] }).await;
        let items = app.published::<String>("items");
        assert_eq!(items.all(), ["pen", "ink"]);
        assert_eq!(items.keys(), [Some("7".to_owned()), Some("7".to_owned())]);
        assert!(app.published::<u64>("large-orders").is_empty());
    }
}

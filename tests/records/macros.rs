//! What the macros make of right programs.

use std::sync::Arc;

use faststream::{Ack, Decide, FastStream, Key, Publish, State, Verdict, publisher, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Db(u64);

/// Doc comments stay.
///
/// And are registered.
#[subscriber(
    topic = "orders",
    group = "billing",
    retry(attempts = 3, backoff = "200ms..1s"),
    on_error = DeadLetter,
    timeout = "30s",
    order = Key,
    concurrency = 8,
)]
async fn bill(order: Order, State(db): State<Db>, key: Key) -> anyhow::Result<()> {
    anyhow::ensure!(order.id < db.0, "too big: {} {:?}", order.id, key.0);
    Ok(())
}

#[subscriber(topics = ["a", "${B:b}"], ack = Ack)]
#[publisher(topic = "out1")]
#[publisher(topic = "out2", key = |order: &Order| order.id)]
async fn echo(order: Order) -> Order {
    order
}

#[publisher(topic = "rev")]
#[subscriber(pattern = "^logs\\.(?<level>.+)$", crate = "faststream", start = Latest)]
async fn reversed(order: Option<Order>) -> Order {
    order.unwrap_or(Order { id: 0 })
}

#[subscriber(topic = "plain")]
fn plain(order: Order) -> Result<(), String> {
    if order.id > 0 { Ok(()) } else { Err("zero".into()) }
}

#[subscriber(topic = "manual", ack = Manual, commit = Each)]
async fn manual(ack: Ack, _order: Order) {
    let _ = ack.ack();
}

#[subscriber(topic = "verdict")]
async fn verdict(order: Order) -> Verdict {
    if order.id > 0 { Verdict::Ack } else { Verdict::Skip }
}

#[subscriber(topic = "decides")]
async fn decides(order: Order) -> anyhow::Result<Verdict> {
    let _: u8 = order.id.to_string().parse().or_reject()?;
    Ok(Verdict::Ack)
}

#[subscriber(topic = "gone")]
#[cfg(any())]
async fn gone(_order: Order) {}

mod returns {
    use super::*;

    type Alias<T> = Result<T, String>;

    #[subscriber(topic = "r1")]
    #[publisher(topic = "o")]
    async fn r1(order: Order) -> anyhow::Result<Order> {
        Ok(order)
    }

    #[subscriber(topic = "r2")]
    #[publisher(topic = "o")]
    async fn r2(_order: Order) -> Alias<Option<Order>> {
        Err("no".into())
    }

    #[subscriber(topic = "r3")]
    #[publisher(topic = "o")]
    fn r3(order: Order) -> Vec<Publish<Order>> {
        vec![Publish::new(order).key("k")]
    }
}

/// A function named as the generated code might name its own things.
mod hygiene {
    use super::*;

    #[subscriber(topic = "h")]
    async fn call(delivery: Order, State(slot): State<Db>) {
        let returned = delivery.id + slot.0;
        assert!(returned > 0);
    }
}

#[tokio::test]
async fn a_handler_is_called_as_the_function_it_is() {
    assert!(bill(Order { id: 1 }, State(Arc::new(Db(5))), Key("k".into())).await.is_ok());
    assert!(bill(Order { id: 9 }, State(Arc::new(Db(5))), Key("k".into())).await.is_err());
    assert_eq!(echo(Order { id: 3 }).await, Order { id: 3 });
    assert!(plain(Order { id: 0 }).is_err());
    assert_eq!(verdict(Order { id: 0 }).await, Verdict::Skip);
    assert!(decides(Order { id: 1 }).await.is_ok());
    assert_eq!(reversed(None).await, Order { id: 0 });
}

#[test]
fn what_was_written_is_registered() {
    let all = faststream::__private::registered();
    let all: Vec<_> = all.into_iter().filter(|def| def.module.starts_with(module_path!())).collect();
    let names: Vec<_> = all.iter().map(|def| def.name).collect();
    assert_eq!(names.len(), 11, "{names:?}");
    let bill = all.iter().find(|def| def.name == "bill").expect("registered");
    assert_eq!(
        (bill.module, bill.package, bill.file),
        ("records::macros", "faststream", "tests/records/macros.rs")
    );
    assert_eq!(bill.doc, "Doc comments stay.\n\nAnd are registered.");
    assert_eq!(bill.retry.and_then(|retry| retry.attempts), Some(3));
    assert_eq!(bill.concurrency, Some(8));
    let echo = all.iter().find(|def| def.name == "echo").expect("registered");
    assert_eq!(echo.publishers.iter().map(|publisher| publisher.topic).collect::<Vec<_>>(), ["out1", "out2"]);
    let _ = FastStream::new(faststream::memory::MemoryBroker::new());
}

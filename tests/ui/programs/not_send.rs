#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[subscriber(topic = "orders")]
async fn handle(order: Order) {
    let shared = std::rc::Rc::new(order.id);
    std::future::ready(()).await;
    drop(shared);
}

fn main() {}

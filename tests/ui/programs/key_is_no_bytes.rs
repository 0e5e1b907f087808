#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[subscriber(topic = "orders")]
#[publisher(topic = "out", key = |order: &Order| (order.id, 1))]
async fn handle(order: Order) -> Order {
    order
}

fn main() {}

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
    order.nothing;
}

fn main() {}

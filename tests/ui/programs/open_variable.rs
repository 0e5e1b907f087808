#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[subscriber(topic = "${ORDERS")]
async fn handle(_order: Order) {}

fn main() {}

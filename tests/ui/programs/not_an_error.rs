#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Wrong;

#[subscriber(topic = "orders")]
async fn handle(_order: Order) -> Result<(), Wrong> {
    Err(Wrong)
}

fn main() {}

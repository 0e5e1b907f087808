#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

const TOPIC: u8 = 5;

#[subscriber(topic = TOPIC)]
async fn handle(_order: Order) {}

fn main() {}

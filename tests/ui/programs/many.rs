#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[subscriber(topic = "my orders", ack = Nack, timeout = "soon", concurrency = 8, colour = "red")]
async fn handle(_order: &Order, _ack: Ack) {}

fn main() {}

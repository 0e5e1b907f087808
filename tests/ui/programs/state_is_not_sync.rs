#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[subscriber(topic = "orders")]
async fn handle(_order: Order, _state: State<std::cell::RefCell<u64>>) {}

fn main() {}

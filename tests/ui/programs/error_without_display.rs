#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[derive(Debug)]
enum Failed {
    TooBig,
}

#[subscriber(topic = "orders")]
#[publisher(topic = "out")]
async fn handle(_order: Order) -> Result<Order, Failed> {
    Err(Failed::TooBig)
}

fn main() {}

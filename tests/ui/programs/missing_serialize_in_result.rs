#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Bare;

#[subscriber(topic = "orders")]
#[publisher(topic = "out")]
async fn handle(_order: Order) -> Result<Bare, String> {
    Ok(Bare)
}

fn main() {}

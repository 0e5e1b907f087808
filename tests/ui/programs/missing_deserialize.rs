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
async fn handle(_bare: Bare) {}

fn main() {}

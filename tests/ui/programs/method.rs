#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Service;

impl Service {
    #[subscriber(topic = "orders")]
    async fn handle(&self, _order: Order) {}
}

fn main() {}

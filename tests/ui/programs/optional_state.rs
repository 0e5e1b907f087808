#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Db;

#[subscriber(topic = "orders")]
async fn handle(_order: Order, _db: Option<State<Db>>) {}

fn main() {}

#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[subscriber(
    topic = "orders",
    group_id = "a",
    dead_letter_topic = "b",
    max_retries = 3,
    auto_offset_reset = "earliest",
    max_workers = 4,
    filter_by = odd,
    value_deserializer = json,
    session_timeout_ms = 5
)]
async fn handle(_order: Order) {}

fn main() {}

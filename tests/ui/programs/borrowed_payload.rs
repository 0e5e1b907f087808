#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    text: &'a str,
}

#[subscriber(topic = "orders")]
async fn handle(_line: Line<'_>) {}

fn main() {}

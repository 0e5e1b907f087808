#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[subscriber(topic = "orders")]
async fn handle<T: Send + serde::de::DeserializeOwned + 'static>(_order: T) {}

fn main() {}

#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

fn app() -> FastStream {
    FastStream::new("localhost:9092")
}

fn main() {}

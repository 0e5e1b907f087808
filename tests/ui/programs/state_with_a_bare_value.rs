#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

fn app() -> FastStream {
    FastStream::new(memory::MemoryBroker::new()).state_with(async || String::new())
}

fn main() {}

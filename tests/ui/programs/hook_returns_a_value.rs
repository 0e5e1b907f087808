#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

fn app() -> FastStream {
    FastStream::new(memory::MemoryBroker::new()).after_startup(async || 5)
}

fn main() {}

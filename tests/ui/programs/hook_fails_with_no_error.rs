#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Silent;

fn app() -> FastStream {
    FastStream::new(memory::MemoryBroker::new()).after_startup(async || Err::<(), _>(Silent))
}

fn main() {}

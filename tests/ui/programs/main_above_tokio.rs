#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[tokio::main]
#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(memory::MemoryBroker::new())
}

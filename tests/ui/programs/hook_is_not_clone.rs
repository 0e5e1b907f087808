#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Once;

fn app() -> FastStream {
    let once = Once;
    FastStream::new(memory::MemoryBroker::new()).on_startup(async move || drop(once))
}

fn main() {}

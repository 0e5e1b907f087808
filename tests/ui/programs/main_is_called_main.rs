#[allow(unused_imports)]
use faststream::*;

#[faststream::main]
async fn main() -> FastStream {
    FastStream::new(memory::MemoryBroker::new())
}

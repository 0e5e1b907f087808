#[allow(unused_imports)]
use faststream::*;

#[faststream::main]
async fn app(_port: u16) -> FastStream {
    FastStream::new(memory::MemoryBroker::new())
}

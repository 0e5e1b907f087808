#[allow(unused_imports)]
use faststream::*;

#[faststream::main]
fn app() -> FastStream {
    FastStream::new(memory::MemoryBroker::new())
}

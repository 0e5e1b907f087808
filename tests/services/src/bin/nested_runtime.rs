//! A program that starts a runtime in a runtime: `tests/cases/hooks.rs` runs it.

use faststream::FastStream;
use faststream::memory::MemoryBroker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    faststream::run(FastStream::new(MemoryBroker::new()).name("nested"))
}

//! An app that cannot be built: `tests/cases/hooks.rs` runs it.

use anyhow::Context;
use faststream::FastStream;
use faststream::memory::MemoryBroker;

#[faststream::main]
async fn app() -> anyhow::Result<FastStream> {
    let _prices: u64 = "many".parse().context("no prices")?;
    Ok(FastStream::new(MemoryBroker::new()))
}

#[allow(unused_imports)]
use faststream::*;

#[faststream::main]
async fn app() {}

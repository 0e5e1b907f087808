#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Id;

struct Named;

impl TypedHeader for Named {
    const NAME: &'static str = "id";
    type Value = Id;
}

fn main() {}

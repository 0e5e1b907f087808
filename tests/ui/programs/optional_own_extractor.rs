#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

struct Tenant;

impl FromDelivery for Tenant {
    fn from_delivery(_delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Tenant)
    }
}

#[subscriber(topic = "orders")]
async fn handle(_order: Order, _tenant: Option<Tenant>) {}

fn main() {}

#[allow(unused_imports)]
use faststream::*;
#[allow(unused_imports)]
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

/// An extractor that decodes the payload itself.
struct Packed;

impl FromDelivery for Packed {
    const DECODES_PAYLOAD: bool = true;

    fn from_delivery(_delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Self)
    }
}

#[subscriber(topic = "orders")]
async fn behind_raw(_one: Raw, _other: Result<Order, Rejection>) {}

#[subscriber(topic = "orders")]
async fn before_raw(_one: Result<Order, Rejection>, _other: Raw) {}

#[subscriber(topic = "orders")]
async fn result_and_option(_one: Result<Order, Rejection>, _other: Option<Order>) {}

#[subscriber(topic = "orders")]
async fn optional_text(_one: Option<Text>, _key: Key, _other: Raw) {}

#[subscriber(topic = "orders")]
async fn optional_json(_one: Option<Text>, _other: Option<Json<Order>>) {}

#[subscriber(topic = "orders")]
fn own(_one: Packed, _other: Order) {}

fn main() {}

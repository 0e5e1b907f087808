//! The publisher of the broker that the handler reads from.

use std::sync::Arc;

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::publish::Publisher;
use crate::result::Rejection;

impl FromDelivery for Publisher {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Self::new(Arc::clone(&delivery.context.producer)))
    }
}

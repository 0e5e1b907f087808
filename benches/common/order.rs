//! What is read and written: an order of about 100 B.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) user: String,
    pub(crate) kind: String,
    pub(crate) amount: f64,
    pub(crate) ok: bool,
    pub(crate) ts: u64,
}

impl Order {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            user: format!("u{:06}", (id * 7919) % 1_000_000),
            kind: "created".into(),
            amount: f64::from(u32::try_from(100_000 + (id * 31) % 900_000).expect("small")) + 0.25,
            ok: true,
            ts: 1_700_000_000_000 + id % 100_000,
        }
    }

    /// Each order has its partition, so that their order can be checked.
    pub(crate) fn partition(&self) -> i32 {
        i32::try_from(self.id % u64::from(super::cluster::PARTITIONS.unsigned_abs())).expect("few partitions")
    }
}

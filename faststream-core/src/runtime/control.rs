//! What others may do to a running lane: stop it, fence it, tell it of commits, settle by hand.

use tokio_util::sync::CancellationToken;

use crate::broker::Epoch;

/// One per lane, shared by pointer. An `Ack` holds the pointer, so it cannot reach another assignment of the partition.
#[derive(Debug)]
pub struct LaneControl {
    pub(crate) epoch: Epoch,
    /// Revoked or shutting down.
    pub(crate) cancelled: CancellationToken,
}

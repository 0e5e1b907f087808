//! What a member belongs to.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::status::Shared;
use crate::context::Context;
use crate::policy::GroupSettings;
use crate::subscriber::Subscriber;

/// What a member belongs to: nothing of it changes while the member lives.
pub(super) struct MemberScope {
    /// The group.
    pub(super) name: Arc<str>,
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    /// What the app shares with its handlers.
    pub(super) context: Arc<Context>,
    pub(super) settings: Arc<GroupSettings>,
    /// Where the lanes' tasks run.
    pub(super) runtime: Handle,
    /// What its lanes and its handle read and write.
    pub(super) shared: Arc<Shared>,
}

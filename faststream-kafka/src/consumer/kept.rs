//! What outlives the client of a membership: its replacement goes on with it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::ClientConfig;

use super::commit_pause::CommitPause;
use crate::config::Secrets;
use crate::error_log::ErrorLog;
use crate::reach::Reach;

/// One of a broker and a group; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// A client may be replaced every few seconds, and what is wrong is still logged once a minute.
    pub(super) errors: Arc<ErrorLog>,
    pub(super) pause: Arc<CommitPause>,
    /// How long the broker waits for a silent member, once it was asked (KIP-848).
    pub(super) session: Arc<OnceLock<Duration>>,
}

impl Kept {
    /// `who` is the cluster; no secret of `config` is logged.
    pub(crate) fn new(who: &str, group: &str, config: &ClientConfig, reach: &Arc<Reach>) -> Self {
        let errors = ErrorLog::new(format!("{who}, group {group}")).without(Secrets::of(config));
        let errors = errors.within(who, reach);
        Self { errors: Arc::new(errors), pause: Arc::default(), session: Arc::default() }
    }
}

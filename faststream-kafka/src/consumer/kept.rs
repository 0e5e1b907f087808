//! The state that outlives the client of a membership, for its replacement.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::ClientConfig;

use super::commit_pause::CommitPause;
use crate::config::Secrets;
use crate::error_log::ErrorLog;
use crate::reach::Reach;

/// One for each broker and group. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// A client may be replaced every few seconds, and a problem is still logged only once a minute.
    pub(super) errors: Arc<ErrorLog>,
    pub(super) pause: Arc<CommitPause>,
    /// How long the broker waits for a silent member, once that was requested (KIP-848).
    pub(super) session: Arc<OnceLock<Duration>>,
}

impl Kept {
    /// `who` is the cluster. No secret of `config` is logged.
    pub(crate) fn new(who: &str, group: &str, config: &ClientConfig, reach: &Arc<Reach>) -> Self {
        let errors = ErrorLog::new(format!("{who}, group {group}")).without(Secrets::of(config));
        let errors = errors.within(who, reach);
        Self { errors: Arc::new(errors), pause: Arc::default(), session: Arc::default() }
    }
}

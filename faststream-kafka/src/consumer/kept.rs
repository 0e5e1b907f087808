//! The state that outlives the client of a membership, for its replacement.
//!
//! A fatal error ends a client, and the runtime joins again with a new one. What the new client must not forget is
//! here, one for each broker and group of the process (`Kafka` keeps the map).

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
    /// Logs each kind of problem once a minute. A client may be replaced every few seconds, and a problem is still
    /// logged only once a minute.
    pub(super) errors: Arc<ErrorLog>,
    /// The pause before a commit that may cost the membership again. Such a commit can be the reason for the
    /// replacement.
    pub(super) pause: Arc<CommitPause>,
    /// How long the broker waits for a silent member, once that was requested (KIP-848). Empty until then, and if
    /// the broker does not return it.
    pub(super) session: Arc<OnceLock<Duration>>,
}

impl Kept {
    /// Returns the state of a group that has had no client yet. `who` is the cluster, `reach` what all clients of
    /// it know about its brokers. No secret of `config` is logged.
    pub(crate) fn new(who: &str, group: &str, config: &ClientConfig, reach: &Arc<Reach>) -> Self {
        let errors = ErrorLog::new(format!("{who}, group {group}")).without(Secrets::of(config));
        let errors = errors.within(who, reach);
        Self { errors: Arc::new(errors), pause: Arc::default(), session: Arc::default() }
    }
}

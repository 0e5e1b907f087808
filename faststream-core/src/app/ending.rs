//! The end of an app, once its handlers have ended: hooks, the last confirmations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::error;

use super::builder::Hooks;
use super::hook::{BoxHook, Hook};
use super::{Context, Exit};
use crate::runtime::panics::catch_in;

/// What a stop may take beyond the drain time, when brokers do not answer.
pub(super) const BEYOND_DRAIN: Duration = Duration::from_secs(10);
/// What the confirmation of everything published may take, however late it is.
pub(super) const FLUSH: Duration = Duration::from_secs(1);
/// What one hook may take: a stop never hangs.
pub(super) const HOOK: Duration = Duration::from_secs(10);

/// The contexts by broker; the default one is first.
pub(super) type Contexts = BTreeMap<Option<Arc<str>>, Arc<Context>>;

/// What is done after the handlers have ended.
pub(super) struct Ending {
    pub(super) hook: Hook,
    /// None if the app did not get as far.
    pub(super) contexts: Contexts,
    pub(super) hooks: Hooks,
}

impl Ending {
    /// Runs the hooks, in between waits for confirmations, and notes what goes wrong. `deadline` is for the
    /// confirmations; the hooks have a time of their own.
    pub(super) async fn run(self, deadline: Instant, exit: &mut Exit) {
        self.run_hooks("on_shutdown", &self.hooks.on_shutdown, exit).await;
        let deadline = deadline.max(Instant::now() + FLUSH);
        let flushes = self.contexts.iter().map(|(name, context)| async move {
            (name, timeout_at(deadline, context.producer.flush()).await)
        });
        for (name, flushed) in join_all(flushes).await {
            if flushed.is_err() {
                let broker = name.as_deref().map_or(String::new(), |name| format!(" of broker `{name}`"));
                exit.say(
                    2,
                    [format!(
                        "not everything that was published was confirmed: the producer{broker} was left"
                    )],
                );
            }
        }
        self.run_hooks("after_shutdown", &self.hooks.after_shutdown, exit).await;
    }

    /// Every hook runs, whatever comes of the others.
    async fn run_hooks(&self, moment: &str, hooks: &[BoxHook], exit: &mut Exit) {
        for (number, hook) in (1..).zip(hooks) {
            // All of it inside: the call itself may panic, and the drop of a hook that is left.
            let call = async { timeout(HOOK, async { hook(self.hook.clone()).await }).await };
            let sentence = match catch_in(call).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(error))) => format!("hook {number} of `{moment}` failed: {error}"),
                Ok(Err(_)) => {
                    format!("hook {number} of `{moment}` was still running after {HOOK:?}, and was left")
                }
                Err(_) => format!("hook {number} of `{moment}` panicked"),
            };
            error!("{sentence}");
            // The records are safe: a failed hook is said, and changes no exit code but that of a left one.
            exit.sentences.push(sentence);
        }
    }
}

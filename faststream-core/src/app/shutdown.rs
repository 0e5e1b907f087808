//! The end of an app, once its handlers have ended: hooks and the last confirmations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::Exit;
use crate::context::{Context, Threads};
use crate::hooks::{AppHooks, BoxHook, HookContext, HookFailure, run_guarded};
use crate::log::{Time, error};

/// How long a shutdown may take beyond the drain time, when brokers do not answer.
pub(super) const BEYOND_DRAIN: Duration = Duration::from_secs(10);
/// How long the confirmation of all published records may take, however late the shutdown is.
pub(super) const FLUSH: Duration = Duration::from_secs(1);
/// How long a shutdown may take beyond the drain time once calls were cancelled. Later confirmations count for none of
/// those calls.
const CUT_OFF: Duration = Duration::from_millis(1_750);
/// How long to wait for confirmations even then: of records that a hook has just published.
const CUT_OFF_FLUSH: Duration = Duration::from_millis(100);
/// How long one hook may take, so that a shutdown never hangs.
pub(super) const HOOK_TIME: Duration = Duration::from_secs(10);

/// The contexts by broker; the default one is first.
pub(super) type Contexts = BTreeMap<Option<Arc<str>>, Arc<Context>>;

/// The work after the handlers have ended.
pub(super) struct Shutdown {
    pub(super) hook: HookContext,
    /// The contexts; empty if the startup failed before they existed.
    pub(super) contexts: Contexts,
    pub(super) hooks: AppHooks,
    /// The threads on which hooks run.
    pub(super) threads: Threads,
}

impl Shutdown {
    /// Runs the hooks, waits for confirmations in between, and records errors. The confirmations have until a certain
    /// time after `drained`, which is short if calls were `cut_off` then. The hooks have a time of their own.
    pub(super) async fn run(&self, drained: Instant, cut_off: bool, exit: &mut Exit) {
        self.run_hooks("on_shutdown", &self.hooks.on_shutdown, exit).await;
        let (beyond, least) = if cut_off { (CUT_OFF, CUT_OFF_FLUSH) } else { (BEYOND_DRAIN, FLUSH) };
        let deadline = (drained + beyond).max(Instant::now() + least);
        let flushes = self.contexts.iter().map(|(name, context)| async move {
            (name, timeout_at(deadline, context.producer.flush()).await)
        });
        for (name, flushed) in join_all(flushes).await {
            if flushed.is_err() {
                let broker = name.as_deref().map_or(String::new(), |name| format!(" of broker `{name}`"));
                exit.report(
                    2,
                    [format!(
                        "not everything that was published was confirmed: the producer{broker} was left"
                    )],
                );
            }
        }
        self.run_hooks("after_shutdown", &self.hooks.after_shutdown, exit).await;
    }

    /// Runs every hook, whatever the outcome of the others.
    async fn run_hooks(&self, moment: &str, hooks: &[BoxHook], exit: &mut Exit) {
        for (number, hook) in (1..).zip(hooks) {
            let (hook, argument) = (Arc::clone(hook), self.hook.clone());
            let deadline = Some(Instant::now() + HOOK_TIME);
            let message = match run_guarded(&self.threads, deadline, async move { hook(argument).await })
                .await
            {
                Ok(()) => continue,
                Err(failure @ HookFailure::StillRunning) => {
                    format!("hook {number} of `{moment}` {failure} after {}, and was left", Time(HOOK_TIME))
                }
                Err(failure) => format!("hook {number} of `{moment}` {failure}"),
            };
            error!("{message}");
            // The records are safe. A failed hook is logged, and only an abandoned one changes the exit code.
            exit.messages.push(message);
        }
    }
}

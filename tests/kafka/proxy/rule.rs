//! Which requests are hurt, how, and how often.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::{Api, Request};

/// What happens to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It never reaches the broker; the answer has this code.
    Refuse(i16),
    /// The broker does it; the answer has this code for its first partition. Commits only.
    RefuseOne(i16),
    /// The answer, and all behind it on the same connection, come so much later.
    Delay(Duration),
    /// It never reaches the broker, and is never answered; others are.
    Swallow,
    /// Its connection is cut.
    Cut,
}

/// Which requests are hurt.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    api: Api,
    pub(super) fault: Fault,
    group: Option<String>,
    times: usize,
    until: Option<Instant>,
}

impl Rule {
    /// All requests of this kind, until the rule is ended.
    pub(crate) fn new(api: Api, fault: Fault) -> Self {
        Self { api, fault, group: None, times: usize::MAX, until: None }
    }

    /// Only those of this group.
    pub(crate) fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Only so many.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Only for so long.
    pub(crate) fn lasting(mut self, time: Duration) -> Self {
        self.until = Some(Instant::now() + time);
        self
    }
}

/// A rule at work: what it did so far. It goes on when this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    rule: Arc<Rule>,
    done: Arc<Mutex<Done>>,
}

#[derive(Debug, Default)]
struct Done {
    hits: usize,
    last: Option<Instant>,
    ended: bool,
}

impl Active {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule: Arc::new(rule), done: Arc::default() }
    }

    /// How many requests were hurt.
    pub(crate) fn hits(&self) -> usize {
        self.done().hits
    }

    /// When the last one was.
    pub(crate) fn last_hit(&self) -> Option<Instant> {
        self.done().last
    }

    /// From here on all is well.
    pub(crate) fn end(&self) {
        self.done().ended = true;
    }

    /// Whether it has nothing more to do.
    pub(crate) fn is_over(&self) -> bool {
        let done = self.done();
        done.ended
            || done.hits >= self.rule.times
            || self.rule.until.is_some_and(|until| Instant::now() >= until)
    }

    /// What to do to this request; counts it.
    pub(super) fn hurt(&self, request: &Request<'_>) -> Option<(Api, Fault)> {
        let Rule { api, fault, group, .. } = &*self.rule;
        if request.api != *api as i16 || self.is_over() {
            return None;
        }
        if group.as_ref().is_some_and(|group| !request.is_of(*api, group)) {
            return None;
        }
        let mut done = self.done();
        // Another connection may have been the last meanwhile.
        if done.hits >= self.rule.times {
            return None;
        }
        done.hits += 1;
        done.last = Some(Instant::now());
        Some((*api, *fault))
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().expect("not poisoned")
    }
}

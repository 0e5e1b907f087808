//! The constant that `#[subscriber]` registers at link time, exactly as the user wrote it.

use crate::delivery::{Call, Delivery, Requirements};
use crate::policy::{AckPolicy, Commit, OnError, Order, Start};

/// The function that the macro generates for a handler. It reads the arguments from the borrowed delivery, and returns
/// a future that owns them. Never generic, never a closure.
pub type HandlerFn = for<'d> fn(&Delivery<'d>) -> Call;

/// One `#[subscriber]`, as registered at link time. `None` = not given: the router's, the app's or the built-in default
/// applies.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberDef {
    /// The function's name.
    pub name: &'static str,
    /// Its module's path.
    pub module: &'static str,
    /// Its package's name.
    pub package: &'static str,
    /// Its source file.
    pub file: &'static str,
    /// The line of the attribute.
    pub line: u32,
    /// The function's doc comment, without indentation; empty if there is none.
    pub doc: &'static str,
    /// The topics that it reads.
    pub source: SourceDef,
    /// `group = "..."`.
    pub group: Option<&'static str>,
    /// `broker = "..."`.
    pub broker: Option<&'static str>,
    /// `ack = ...`.
    pub ack: Option<AckPolicy>,
    /// `retry(...)`.
    pub retry: Option<RetryDef>,
    /// `on_error = ...`.
    pub on_error: Option<OnError>,
    /// `dead_letter = "..."`.
    pub dead_letter: Option<&'static str>,
    /// `on_decode_error = ...`.
    pub on_decode_error: Option<OnError>,
    /// `order = ...`.
    pub order: Option<Order>,
    /// `concurrency = 16`.
    pub concurrency: Option<u32>,
    /// `commit = ...`.
    pub commit: Option<Commit>,
    /// `start = ...`.
    pub start: Option<Start>,
    /// `timeout = "30s"`.
    pub timeout: Option<&'static str>,
    /// `drain = "5s"`.
    pub drain: Option<&'static str>,
    /// `enabled = "${...}"`.
    pub enabled: Option<&'static str>,
    /// `#[publisher(...)]`s, in the order in which they were written.
    pub publishers: &'static [PublisherDef],
    /// Calls the function.
    pub call: HandlerFn,
    /// Collects what its arguments need from the app.
    pub requires: fn(&mut Requirements),
}

inventory::collect!(SubscriberDef);

/// The topics that a subscriber reads. The texts may contain `${VARIABLE:default}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceDef {
    /// `topic = "a"` or `topics = ["a", "b"]`.
    Topics(&'static [&'static str]),
    /// `pattern = "^logs\\.(?<level>.+)$"`.
    Pattern(&'static str),
}

/// `retry(attempts = 5, backoff = "200ms..10s", topics = ["10s", "1m"])`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryDef {
    /// `attempts = 5`.
    pub attempts: Option<u32>,
    /// `backoff = "200ms..10s"`.
    pub backoff: Option<&'static str>,
    /// `topics = ["10s", "1m"]`: delays, without variables. Empty means retries in place only.
    pub topics: &'static [&'static str],
}

/// One `#[publisher(...)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublisherDef {
    /// `topic = "..."`. May contain `${VARIABLE:default}`.
    pub topic: &'static str,
}

/// Returns all subscribers linked into this program, by module and line.
#[must_use]
pub fn registered() -> Vec<&'static SubscriberDef> {
    let mut all: Vec<_> = inventory::iter::<SubscriberDef>.into_iter().collect();
    all.sort_by_key(|def| (def.module, def.file, def.line, def.name));
    all
}

impl SubscriberDef {
    /// Returns `module::name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}::{}", unraw(self.module), self.name)
    }

    /// Returns whether it is in the module of this path, or below it.
    pub(crate) fn is_in(&self, module: &str) -> bool {
        let (own, module) = (unraw(self.module), unraw(module));
        own.strip_prefix(&*module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// Returns `src/orders.rs:12`.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Returns a path without the marks of raw names, as people write it: `shop::match`.
fn unraw(path: &str) -> String {
    path.replace("r#", "")
}

#[cfg(test)]
impl SubscriberDef {
    /// Returns a definition that sets nothing and does nothing, for tests.
    pub(crate) const fn fixture() -> Self {
        Self {
            name: "nobody",
            module: "test",
            package: "test",
            file: "src/lib.rs",
            line: 1,
            doc: "",
            source: SourceDef::Topics(&["nothing"]),
            group: None,
            broker: None,
            ack: None,
            retry: None,
            on_error: None,
            dead_letter: None,
            on_decode_error: None,
            order: None,
            concurrency: None,
            commit: None,
            start: None,
            timeout: None,
            drain: None,
            enabled: None,
            publishers: &[],
            call: |_| Call::known(crate::result::Outcome::Verdict(crate::result::Verdict::Ack)),
            requires: |_| {},
        }
    }
}

//! What `#[subscriber]` registers at link time: a constant, exactly as the user wrote it.

use std::any::TypeId;

use crate::delivery::{Call, Delivery};
use crate::policy::{AckPolicy, Commit, OnError, Order, Start};

/// What the macro generates for a handler: reads the arguments off the borrowed delivery, and returns a future that
/// owns them. Never generic, never a closure.
pub type HandlerFn = for<'d> fn(&Delivery<'d>) -> Call;

/// One `#[subscriber]`, as registered at link time. `None` = not given: router, app or built-in default.
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
    /// What it reads.
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
    /// What its arguments need of the app.
    pub requires: fn(&mut Requirements),
}

inventory::collect!(SubscriberDef);

/// What a subscriber reads; may hold `${VARIABLE:default}`.
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
    /// `topics = ["10s", "1m"]`: delays, without variables; none = retries in place only.
    pub topics: &'static [&'static str],
}

/// One `#[publisher(...)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublisherDef {
    /// `topic = "..."`; may hold `${VARIABLE:default}`.
    pub topic: &'static str,
}

/// What the arguments of a subscriber need of its app; filled in at start.
#[derive(Debug, Default)]
pub struct Requirements {
    states: Vec<(TypeId, &'static str)>,
    takes_ack: bool,
    captures: bool,
}

impl Requirements {
    /// A state of type `T` must have been given to the app.
    pub fn state<T: 'static>(&mut self) {
        self.states.push((TypeId::of::<T>(), std::any::type_name::<T>()));
    }

    /// An argument settles the record by hand: the policy must be `Manual`.
    pub fn ack(&mut self) {
        self.takes_ack = true;
    }

    /// Whether an argument settles the record by hand.
    #[must_use]
    pub fn takes_ack(&self) -> bool {
        self.takes_ack
    }

    /// An argument reads the captures of the topic's name: the handler must read by a `pattern`.
    pub fn captures(&mut self) {
        self.captures = true;
    }

    /// Whether an argument reads the captures of the topic's name.
    #[must_use]
    pub fn needs_pattern(&self) -> bool {
        self.captures
    }

    /// The states that are needed: type and name.
    #[must_use]
    pub fn states(&self) -> &[(TypeId, &'static str)] {
        &self.states
    }
}

/// All subscribers linked into this program, by module and line.
#[must_use]
pub fn registered() -> Vec<&'static SubscriberDef> {
    let mut all: Vec<_> = inventory::iter::<SubscriberDef>.into_iter().collect();
    all.sort_by_key(|def| (def.module, def.file, def.line, def.name));
    all
}

impl SubscriberDef {
    /// `module::name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}::{}", unraw(self.module), self.name)
    }

    /// Whether it is in the module of this path, or below.
    pub(crate) fn is_in(&self, module: &str) -> bool {
        let (own, module) = (unraw(self.module), unraw(module));
        own.strip_prefix(&*module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// `src/orders.rs:12`.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// A path without the marks of raw names, as people write it: `shop::match`.
fn unraw(path: &str) -> String {
    path.replace("r#", "")
}

#[cfg(test)]
impl SubscriberDef {
    /// One that says nothing itself, and does nothing.
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

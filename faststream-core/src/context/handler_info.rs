//! What extractors, plain calls and reports know of a handler.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

/// The facts of a handler that a delivery lends to extractors. A lane builds them once, and its calls share them.
#[derive(Debug, Clone)]
pub struct HandlerInfo {
    /// The name in logs, metrics and tests: the function's name.
    pub name: Arc<str>,
    /// The consumer group.
    pub group: Arc<str>,
    /// The pattern by which it selects its topics; `None` if it reads topics by name.
    pub pattern: Option<Arc<Regex>>,
    /// How long a call may take.
    pub timeout: Option<Duration>,
    /// The topics of its `#[publisher]`s, in order.
    pub publishes: Arc<[Arc<str>]>,
}

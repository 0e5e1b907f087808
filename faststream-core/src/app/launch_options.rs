//! What a check and a startup need besides the app: its environment, the brokers in place of its own, records to skip.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::Environment;
use crate::broker::Broker;
use crate::context::Skip;

/// The inputs of a check and a startup that are not part of the app.
///
/// ```
/// use faststream::{Environment, FastStream, LaunchOptions, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "${ORDERS_TOPIC}")]
/// async fn bill(_order: u64) {}
///
/// let app = || {
///     FastStream::new(MemoryBroker::new()).name("billing")
///     # .module(module_path!())
/// };
/// let mut options = LaunchOptions::default();
/// options.environment = Environment::only([("ORDERS_TOPIC", "orders")]);
/// assert!(app().plan(options).is_ok());
/// // The variable is not set: reported before anything is connected.
/// let mut options = LaunchOptions::default();
/// options.environment = Environment::only::<String, String>([]);
/// let faults = app().plan(options).expect_err("the topic has no name");
/// assert!(faults.to_string().contains("ORDERS_TOPIC"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct LaunchOptions {
    /// The package's name, from `#[faststream::main]`. It is the app's name if the app has none.
    pub package: Option<&'static str>,
    /// The package's version. It is the app's version if the app has none.
    pub version: Option<&'static str>,
    /// The source of values for `${VARIABLE:default}`.
    pub environment: Environment,
    /// Held records to skip: (topic, partition, offset).
    pub skips: BTreeSet<Skip>,
    /// The brokers that the app runs on.
    pub brokers: Brokers,
    /// Whether a panic ends the process: the program was built with `panic = "abort"`.
    pub panics_abort: bool,
}

/// The brokers that an app runs on. If its own brokers are replaced, they are neither checked nor connected to.
#[derive(Clone, Default)]
pub enum Brokers {
    /// The app's own brokers.
    #[default]
    Own,
    /// This broker in place of each: `dev`.
    Shared(Arc<dyn Broker>),
    /// A broker for each name (`None` is the default one): tests.
    ByName(BrokerByName),
}

/// Returns the broker that replaces the app's broker of this name; `None` is the default one.
pub type BrokerByName = Arc<dyn Fn(Option<&str>, &dyn Broker) -> Arc<dyn Broker> + Send + Sync>;

impl fmt::Debug for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("Own"),
            Self::Shared(broker) => f.debug_tuple("Shared").field(broker).finish(),
            Self::ByName(_) => f.write_str("ByName"),
        }
    }
}

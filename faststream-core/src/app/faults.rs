//! The faults of an app, found before anything is connected and reported all at once.

use std::fmt;

use crate::subscriber::SubscriberDef;

/// One fault of the app: a sentence with the fix, and the place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupFault {
    /// The handler's path; `None` if the fault concerns the whole app.
    handler: Option<String>,
    /// The handler's file and line.
    location: Option<String>,
    /// The fault and its fix.
    message: String,
}

/// All faults of the app. Prints as a list, one fault a line with its fix.
///
/// ```
/// use faststream::{FastStream, LaunchOptions, State, memory::MemoryBroker, subscriber};
///
/// struct Prices;
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64, State(_prices): State<Prices>) {}
///
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let faults = app.plan(LaunchOptions::default()).expect_err("a state is missing");
/// let fault = &faults.faults()[0];
/// assert!(fault.handler().is_some_and(|handler| handler.ends_with("bill")));
/// assert!(fault.message().contains("Prices"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct StartupFaults {
    faults: Vec<StartupFault>,
}

impl StartupFault {
    /// Returns a fault of the whole app.
    pub(crate) fn of_app(message: impl Into<String>) -> Self {
        Self { handler: None, location: None, message: message.into() }
    }

    /// Returns a fault of one handler.
    pub(crate) fn of_handler(def: &SubscriberDef, message: impl Into<String>) -> Self {
        Self { handler: Some(def.path()), location: Some(def.location()), message: message.into() }
    }

    /// Returns the handler's path, as `module::name`; `None` if the fault concerns the whole app.
    #[must_use]
    pub fn handler(&self) -> Option<&str> {
        self.handler.as_deref()
    }

    /// Returns the handler's `file:line`.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// Returns the fault and its fix.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for StartupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.handler, &self.location) {
            (Some(handler), Some(location)) => write!(f, "{handler} ({location}): {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl StartupFaults {
    /// Returns `Err` if there is any fault.
    pub(crate) fn check(faults: Vec<StartupFault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self { faults }) }
    }

    /// Returns every fault: those of the app first, then by module and line.
    #[must_use]
    pub fn faults(&self) -> &[StartupFault] {
        &self.faults
    }
}

impl fmt::Display for StartupFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        writeln!(f, "the app cannot start, {count} fault{}:", if count == 1 { "" } else { "s" })?;
        for (index, fault) in self.faults.iter().enumerate() {
            write!(f, "{}  - {fault}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

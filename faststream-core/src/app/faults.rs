//! What is wrong with an app, found before anything is connected: all of it at once.

use std::fmt;

use crate::subscriber::SubscriberDef;

/// One thing that is wrong with the app: a sentence with the cure, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupFault {
    /// The handler it concerns, by its path; `None` if it concerns the whole app.
    handler: Option<String>,
    /// Its file and line.
    location: Option<String>,
    /// What is wrong and what to do.
    message: String,
}

/// Everything that is wrong with the app. Prints as a list, one fault a line with its cure.
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
    /// A fault of the whole app.
    pub(crate) fn of_app(message: impl Into<String>) -> Self {
        Self { handler: None, location: None, message: message.into() }
    }

    /// A fault of one handler.
    pub(crate) fn of_handler(def: &SubscriberDef, message: impl Into<String>) -> Self {
        Self { handler: Some(def.path()), location: Some(def.location()), message: message.into() }
    }

    /// The handler it concerns, as `module::name`; `None` if it concerns the whole app.
    #[must_use]
    pub fn handler(&self) -> Option<&str> {
        self.handler.as_deref()
    }

    /// The handler's `file:line`.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// What is wrong and what to do.
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
    /// `Err` if there is any fault.
    pub(crate) fn check(faults: Vec<StartupFault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self { faults }) }
    }

    /// Every fault: those of the app first, then by module and line.
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

//! Where a setting came from: named in every fault, and decisive when two sources set the same property.
//!
//! A fault without a place is hard to fix where a container gets its settings from a file, a template and a secret
//! at once.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Where a setting came from. Its `Display` is the place in a fault: `src/main.rs:12`,
/// `the variable KAFKA_BROKERS`.
///
/// The later variants win over the earlier ones: whoever runs the program decides last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettingOrigin {
    /// Nobody set it. The text is what to print instead of a place.
    Default(&'static str),
    /// A call in the program, by file and line.
    Code(&'static Location<'static>),
    /// A line of the file that `KAFKA_CONFIG` names. The first line is 1.
    File { path: Arc<str>, line: usize },
    /// An environment variable, by its name.
    Variable(String),
    /// A file that an environment variable names. Its value is never printed, whatever its property.
    SecretFile { variable: String, path: String },
    /// `-X key=value` on the command line.
    CommandLine,
}

impl SettingOrigin {
    /// Returns the precedence: a setting replaces one of the same or a lower rank. Variables and secret files have
    /// the same rank.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default(_) => 0,
            Self::Code(_) => 1,
            Self::File { .. } => 2,
            Self::Variable(_) | Self::SecretFile { .. } => 3,
            Self::CommandLine => 4,
        }
    }
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(why) => f.write_str(why),
            Self::Code(place) => write!(f, "{}:{}", place.file(), place.line()),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::SecretFile { variable, path } => write!(f, "the file {path}, named by {variable}"),
            Self::CommandLine => f.write_str("-X"),
        }
    }
}

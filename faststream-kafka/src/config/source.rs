//! Where a setting came from: what a fault names, and who wins when two set the same property.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Where a setting came from. The later variants win over the earlier ones: what runs the program decides last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettingOrigin {
    /// Nobody set it.
    Default(&'static str),
    /// A call in the program.
    Code(&'static Location<'static>),
    /// A line of the file that `KAFKA_CONFIG` names.
    File { path: Arc<str>, line: usize },
    /// An environment variable.
    Variable(String),
    /// A file that an environment variable names: a secret.
    SecretFile { variable: String, path: String },
    /// `-X key=value`.
    CommandLine,
}

impl SettingOrigin {
    /// Who wins: the higher one.
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

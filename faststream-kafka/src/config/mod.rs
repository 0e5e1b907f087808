//! The settings of the Kafka clients: typed for what matters, any property of librdkafka for everything else.
//!
//! The flow of a setting, in the order of the files:
//!
//! * `settings` keeps each property once, under its canonical name (`names`), with its origin (`source`).
//!   `properties` and `environment` read it from files and variables.
//! * `check` finds every fault at startup, before anything connects; `addresses`, `values`, `pairs`, `refused` and
//!   `java` hold its rules. Collecting settings never fails, so a typo in the environment is reported with all
//!   other faults and not as a panic of a constructor.
//! * `clients` merges the settings with faststream's defaults, once for each kind of client, and `memory`
//!   distributes the fetch memory among partitions.
//! * `secrets` decides what may be printed. Every text that leaves this folder, and every text of the library,
//!   passes through it.
//!
//! Nothing here connects to a broker. `check` creates clients without an address to have the library judge the
//! settings.

mod addresses;
mod check;
mod choices;
mod clients;
mod environment;
mod java;
mod kafka_config;
mod memory;
mod names;
mod pairs;
mod properties;
mod refused;
mod secrets;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod values;

pub use choices::{Acks, Compression, Protocol, Security};
pub use kafka_config::KafkaConfig;
pub(crate) use secrets::Secrets;
pub(crate) use settings::{ClientKind, Properties};
pub(crate) use source::SettingOrigin;

//! How long the broker waits for a silent member of a group (KIP-848): a setting of the broker or the group, not
//! of the client.
//!
//! It matters in one case: another member has our `group.instance.id`, perhaps this process before a crash. The
//! runtime then tries for at most that long (`Remedy::Time`), so the value is asked for only after such a fatal
//! error. The group's configuration is described, because a group may override the broker's value.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use super::kept::Kept;

/// How long the request may take, while the control thread of a dead client waits for it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Kafka's default, if the broker does not return a value.
const DEFAULT: Duration = Duration::from_secs(45);
/// The name in a group's configuration.
const SETTING: &str = "consumer.session.timeout.ms";

/// Asks once for each group, and blocks for a few seconds at most. `config` is the configuration of a client that
/// publishes. If the broker does not return the value, Kafka's default is assumed, and the next call asks again.
pub(super) fn session(config: &ClientConfig, group: &str, kept: &Kept) -> Duration {
    if let Some(known) = kept.session.get() {
        return *known;
    }
    match ask(config, group) {
        Ok(session) => *kept.session.get_or_init(|| session),
        Err(reason) => {
            faststream_core::log::debug!(%group, "the broker does not tell {SETTING}, {DEFAULT:?} is assumed: {reason}");
            DEFAULT
        }
    }
}

/// Logs nothing, because problems of the cluster are reported elsewhere.
struct Mute;

impl ClientContext for Mute {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, _: KafkaError, _: &str) {}
}

/// Creates a client for one request, and describes the group's configuration with it.
///
/// # Errors
/// A text that names the reason, for the log only.
fn ask(config: &ClientConfig, group: &str) -> Result<Duration, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let admin: AdminClient<Mute> =
        AdminClient::from_config_and_context(config, Mute).map_err(|error| error.to_string())?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let asked = [ResourceSpecifier::Group(group)];
    let answers = runtime.block_on(admin.describe_configs(&asked, &options));
    let answers = answers.map_err(|error| error.to_string())?;
    let answer = answers.into_iter().next().ok_or("no answer")?.map_err(|code| code.to_string())?;
    let value = answer.get(SETTING).and_then(|entry| entry.value.as_deref()).ok_or("it is not there")?;
    value.parse().map(Duration::from_millis).map_err(|_| format!("it is {value}"))
}

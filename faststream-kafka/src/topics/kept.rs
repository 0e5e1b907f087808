//! Whether a topic keeps the records that are written to it: its retention and its cleanup policy.
//!
//! Pure rules with table tests. A record in a retry topic waits for its delay, and longer while the service is
//! down:
//!
//! | an existing topic | result |
//! | --- | --- |
//! | compacted | fault: it refuses records without a key, and keeps one record of each key |
//! | retries, `retention.ms` below the delay and an hour (or twice the delay) | fault |
//! | retries, `retention.ms` below the delay and a day | warning |
//! | retries, with a `retention.bytes` | warning |
//! | anything else | nothing |
//!
//! Topics that are created here keep a week, or twice the delay if that is longer.

use std::time::Duration;

use faststream_core::broker::{TopicPurpose, TopicRequest};
use rdkafka::admin::{ConfigResource, OwnedResourceSpecifier};

/// The least retention of a retry topic that is created here, in milliseconds: Kafka's own default of a week.
const WEEK: u64 = 7 * 24 * 3_600_000;
/// A topic is refused if it keeps records for less than their delay and this, in milliseconds (or twice the delay,
/// if that is less): a service that is down handles them later.
const MARGIN: u64 = 3_600_000;
/// A topic that keeps records for less than their delay and this, in milliseconds, causes a warning: a service may
/// be down for a day.
const DAY: u64 = 24 * 3_600_000;

/// What a topic does with old records, from its settings at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Whether `cleanup.policy` has `compact`: the last record of a key replaces the others.
    compacted: bool,
    /// The age in milliseconds at which records are deleted (`retention.ms`); `None` for never.
    retention: Option<u64>,
    /// The size of a partition in bytes beyond which its oldest records are deleted (`retention.bytes`); `None`
    /// for never.
    bytes: Option<u64>,
}

impl Kept {
    /// Reads a broker's answer, with the topic's name. `None` if it has no settings, which means that the user may
    /// not read them.
    pub(super) fn read(answer: &ConfigResource) -> Option<(String, Self)> {
        let OwnedResourceSpecifier::Topic(topic) = &answer.specifier else { return None };
        if answer.entries.is_empty() {
            return None;
        }
        let value = |name| answer.get(name).and_then(|entry| entry.value.as_deref());
        let policy = value("cleanup.policy").unwrap_or("delete");
        let is = |word: &str| policy.split(',').any(|policy| policy.trim() == word);
        // -1 is never; so is no deletion at all.
        let limit = |name| value(name).and_then(|text| text.parse().ok()).filter(|_| is("delete"));
        let (retention, bytes) = (limit("retention.ms"), limit("retention.bytes"));
        Some((topic.clone(), Self { compacted: is("compact"), retention, bytes }))
    }

    /// Returns why the topic would lose records, with the fix as a command. The startup ends with it.
    pub(super) fn fault(&self, request: &TopicRequest) -> Option<String> {
        let topic = &request.topic;
        let alter = |setting: &str| {
            format!(
                "`kafka-configs --alter --entity-type topics --entity-name {topic} --add-config {setting}`"
            )
        };
        if self.compacted {
            return Some(format!(
                "is compacted (`cleanup.policy`): it refuses records without a key, and keeps only the last one of each key; \
                 set `cleanup.policy=delete` ({}), or name another topic",
                alter("cleanup.policy=delete")
            ));
        }
        let TopicPurpose::Retries { delay } = request.purpose else { return None };
        let delay = millis(delay);
        let kept = self.retention.filter(|kept| *kept < delay.saturating_add(delay.min(MARGIN)))?;
        let enough = enough(delay);
        Some(format!(
            "keeps records for {} only (`retention.ms={kept}`), and they wait there for {}: they would be deleted before they \
             are tried again; set `retention.ms={enough}` ({}), or shorten the delay",
            shown(kept),
            shown(delay),
            alter(&format!("retention.ms={enough}"))
        ))
    }

    /// Returns how the topic may lose records, though it need not. The startup logs it.
    pub(super) fn warning(&self, request: &TopicRequest) -> Option<String> {
        let TopicPurpose::Retries { delay } = request.purpose else { return None };
        let delay = millis(delay);
        if let Some(kept) = self.retention.filter(|kept| *kept < delay.saturating_add(DAY)) {
            return Some(format!(
                "it keeps records for {} (`retention.ms={kept}`), and they wait there for {}: what is not handled in time, \
                 because the service is down, is deleted; `retention.ms={}` would be safe",
                shown(kept),
                shown(delay),
                enough(delay)
            ));
        }
        let bytes = self.bytes?;
        Some(format!(
            "it keeps {bytes} bytes a partition (`retention.bytes`): what waits beyond that is deleted; \
             `retention.bytes=-1` would be safe"
        ))
    }
}

/// Returns the settings with which a topic is created, beyond the broker's defaults. Dead-letter topics keep the
/// broker's retention: how long they are kept is a decision of who reads them.
pub(super) fn made_with(purpose: TopicPurpose) -> Vec<(&'static str, String)> {
    let mut settings = vec![("cleanup.policy", "delete".to_owned())];
    match purpose {
        TopicPurpose::Retries { delay } => {
            settings.push(("retention.ms", enough(millis(delay)).to_string()));
            settings.push(("retention.bytes", "-1".to_owned()));
        }
        TopicPurpose::DeadLetters => {}
        _ => settings.clear(),
    }
    settings
}

/// Returns how long a retry topic keeps its records, in milliseconds: a week or twice the delay, whichever is
/// longer.
fn enough(delay: u64) -> u64 {
    delay.saturating_mul(2).max(WEEK).min(i64::MAX.unsigned_abs())
}

/// Returns whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `240 h`, `90 s`: the largest unit that leaves a whole number.
fn shown(millis: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| millis.is_multiple_of(*unit)).unwrap_or((1, "ms"));
    format!("{} {name}", millis / unit)
}

#[cfg(test)]
mod tests {
    use faststream_core::policy::Provision;

    use super::*;

    const SECOND: u64 = 1_000;
    const HOUR: u64 = 3_600 * SECOND;

    fn request(purpose: TopicPurpose) -> TopicRequest {
        TopicRequest { topic: "t".into(), sources: Vec::new(), provision: Provision::Create, purpose }
    }

    fn retries(delay: u64) -> TopicRequest {
        request(TopicPurpose::Retries { delay: Duration::from_millis(delay) })
    }

    fn kept(retention: Option<u64>) -> Kept {
        Kept { compacted: false, retention, bytes: None }
    }

    #[test]
    fn a_topic_of_retries_has_to_keep_its_records_for_longer_than_they_wait() {
        for (retention, delay, is_fine) in [
            (4 * SECOND, 20 * SECOND, false),
            (20 * SECOND, 20 * SECOND, false),
            (39 * SECOND, 20 * SECOND, false),
            (40 * SECOND, 20 * SECOND, true),
            (240 * HOUR, 240 * HOUR, false),
            (241 * HOUR, 240 * HOUR, true),
            (WEEK, 240 * HOUR, false),
            (WEEK, u64::MAX, false),
            (WEEK, SECOND, true),
        ] {
            let fault = kept(Some(retention)).fault(&retries(delay));
            assert_eq!(fault.is_none(), is_fine, "{retention} {delay}: {fault:?}");
        }
        assert_eq!(kept(None).fault(&retries(u64::MAX)), None);
        assert_eq!(kept(Some(1)).fault(&request(TopicPurpose::DeadLetters)), None);
        let fault = kept(Some(4 * SECOND)).fault(&retries(20 * SECOND)).expect("too short");
        assert!(
            fault.contains("for 4 s only (`retention.ms=4000`)") && fault.contains("for 20 s"),
            "{fault}"
        );
        assert!(fault.contains("--entity-name t --add-config retention.ms=604800000"), "{fault}");
    }

    #[test]
    fn topics_of_copies_must_not_be_compacted() {
        let compacted = Kept { compacted: true, retention: None, bytes: None };
        for request in [retries(SECOND), request(TopicPurpose::DeadLetters)] {
            let fault = compacted.fault(&request).expect("it is");
            assert!(fault.contains("`cleanup.policy=delete`"), "{fault}");
        }
    }

    #[test]
    fn what_is_only_just_enough_is_warned_of() {
        assert!(kept(Some(24 * HOUR)).warning(&retries(HOUR)).is_some());
        assert_eq!(kept(Some(26 * HOUR)).warning(&retries(HOUR)), None);
        let small = Kept { bytes: Some(10), ..kept(None) };
        assert!(small.warning(&retries(HOUR)).is_some_and(|warning| warning.contains("10 bytes")));
    }

    #[test]
    fn topics_are_made_to_keep_a_week_and_twice_the_delay() {
        for (delay, retention) in
            [(SECOND, WEEK), (240 * HOUR, 480 * HOUR), (u64::MAX, i64::MAX.unsigned_abs())]
        {
            let settings = made_with(TopicPurpose::Retries { delay: Duration::from_millis(delay) });
            assert!(settings.contains(&("retention.ms", retention.to_string())), "{settings:?}");
            assert!(settings.contains(&("cleanup.policy", "delete".into())), "{settings:?}");
        }
        assert_eq!(made_with(TopicPurpose::Results), []);
    }

    #[test]
    fn durations_are_shown_in_the_largest_whole_unit() {
        assert_eq!([240 * HOUR, 90 * SECOND, 4_500].map(shown), ["240 h", "90 s", "4500 ms"]);
    }
}

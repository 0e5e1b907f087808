//! What topics are called: which names are legal, those of retry topics and dead letters, and what a pattern selects.

use regex::Regex;

use crate::policy::parse_duration;

/// The longest name that Kafka allows.
pub const LONGEST: usize = 249;

/// Whether Kafka takes this name: up to 249 letters, digits, `.`, `_` and `-`, but not `.` and `..`.
#[must_use]
pub fn is_legal(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST && name.chars().all(legal)
}

/// `{source}-dlt`: where the dead letters of a topic go, if no other name was given.
pub(crate) fn dead_letters(source: &str) -> String {
    format!("{source}-dlt")
}

/// `{source}-{group}-retry-{delay}`: the retry topic of a group, its delay as it was written.
pub(crate) fn retry(source: &str, group: &str, delay: &str) -> String {
    format!("{source}-{group}-retry-{delay}")
}

/// Whether a topic is called as retry topics are: `...-retry-10s`.
pub(crate) fn is_retry_topic(topic: &str) -> bool {
    before_delay(topic).is_some()
}

/// The source of a topic that is called as the retry topics of this group are.
pub(crate) fn retry_source<'a>(topic: &'a str, group: &str) -> Option<&'a str> {
    let source = before_delay(topic)?.strip_suffix(group)?.strip_suffix('-')?;
    (!source.is_empty()).then_some(source)
}

fn before_delay(topic: &str) -> Option<&str> {
    let (rest, delay) = topic.rsplit_once("-retry-")?;
    parse_duration(delay).is_ok().then_some(rest)
}

/// Whether a subscriber's pattern selects `topic`. Kafka's internal topics (`__...`) are never selected, and dead letters and
/// retry topics only if the pattern names them.
pub(crate) fn selects(pattern: &Regex, topic: &str) -> bool {
    let internal = topic.starts_with("__");
    let dead_letters = topic.ends_with("-dlt") && !pattern.as_str().contains("-dlt");
    let retries = is_retry_topic(topic) && !pattern.as_str().contains("-retry-");
    !internal && !dead_letters && !retries && pattern.is_match(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_takes_letters_digits_dots_underscores_and_dashes() {
        assert!(is_legal("orders.v1_A-b") && is_legal(&"a".repeat(249)));
        for name in ["", ".", "..", "a b", "grüße", "a/b", &"a".repeat(250)] {
            assert!(!is_legal(name), "{name}");
        }
    }

    #[test]
    fn a_retry_topic_is_known_by_its_name_and_its_group() {
        assert_eq!(retry_source(&retry("orders", "billing", "10s"), "billing"), Some("orders"));
        assert_eq!(retry_source("a-retry-b-my-group-retry-200ms", "my-group"), Some("a-retry-b"));
        for other in ["orders-billing-retry-soon", "orders-other-retry-10s", "-billing-retry-10s", "orders"] {
            assert_eq!(retry_source(other, "billing"), None, "{other}");
        }
        assert!(is_retry_topic("orders-other-retry-10s") && !is_retry_topic("orders-retry-policy"));
    }
}

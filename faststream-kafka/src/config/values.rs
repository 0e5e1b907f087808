//! Checks one value, where the library is too lenient: it reads `10s` as 10 ms and `010` as 8, and truncates a
//! number that is too large for it to its lower bits.
//!
//! All three pass silently in the library: `session.timeout.ms=15s` would be a session of 15 ms. Faults never
//! contain the value, which may be a secret that was given to the wrong property.
//!
//! Called by `check` before the library sees the value, and by `secrets` to decide whether a value may be printed.
//! Nothing else judges the form of a value.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::names::{canonical, is_number};

/// Properties whose numbers may have a fraction. All other numbers of the library are whole.
const FRACTIONS: &[&str] = &["linger.ms"];

/// Units that people write after a number. Such a value is refused, but may be printed: it is certainly a number
/// and no secret.
const UNITS: &[&str] =
    &["", "ms", "s", "sec", "m", "min", "h", "d", "b", "k", "kb", "kib", "mb", "mib", "g", "gb", "gib"];

/// Properties that take one of a few words, and the words. The library refuses a wrong word without naming the
/// right ones.
const WORDS: &[(&str, &str)] = &[
    ("acks", "a number from -1 to 1000, or all"),
    ("auto.offset.reset", "earliest or error"),
    ("broker.address.family", "any, v4 or v6"),
    ("client.dns.lookup", "use_all_dns_ips or resolve_canonical_bootstrap_servers_only"),
    ("compression.codec", "none, gzip, snappy, lz4 or zstd"),
    ("group.protocol", "classic or consumer"),
    ("isolation.level", "read_committed or read_uncommitted"),
    ("metadata.recovery.strategy", "none or rebootstrap"),
    ("queuing.strategy", "fifo"),
    ("security.protocol", "plaintext, ssl, sasl_plaintext or sasl_ssl"),
    ("ssl.endpoint.identification.algorithm", "none or https"),
];

/// Returns the words that a property takes, for the message that refuses its value; `None` if it takes something
/// else.
pub(super) fn taken(name: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == canonical(name)).map(|(_, words)| *words)
}

/// Returns whether the value can be meant for the property, so that it may be printed: a number, with or without a
/// unit, where the property takes numbers; otherwise a value that the library accepts.
///
/// Creates a configuration of the library for each call, so it is for startup and errors only.
pub(super) fn is_of_kind(name: &str, value: &str) -> bool {
    let name = canonical(name);
    let text = value.trim();
    if is_number(name) && text.chars().any(|letter| letter.is_ascii_digit()) {
        let is_of_number = |letter: char| letter.is_ascii_digit() || "+-._".contains(letter);
        let unit = text.trim_start_matches(is_of_number).trim_start().to_ascii_lowercase();
        return UNITS.contains(&unit.as_str());
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => true,
        // The library knows the name, and was built without what it is for.
        Err(KafkaError::ClientConfig(_, text, ..)) => {
            let is_choice = name.starts_with("enable.") && !["true", "false"].contains(&value);
            text.contains("not available at build time") && !is_choice
        }
        Err(_) => false,
    }
}

/// Returns why a value is refused before the library sees it, with the fix; `None` if only the library can judge
/// it. The value itself is not in the text.
///
/// It refuses zero bytes and other control characters (a password file with a stray line break), an empty
/// `group.instance.id`, and numbers that the library would misread.
pub(super) fn fault(name: &str, value: &str) -> Option<String> {
    if value.contains('\0') {
        return Some("the value holds a zero byte: remove it".to_owned());
    }
    // Keys and certificates have lines.
    let has_lines = name.split('.').next_back() == Some("pem") || name == "sasl.oauthbearer.config";
    if let Some(letter) = value.chars().find(|letter| letter.is_control()).filter(|_| !has_lines) {
        return Some(format!(
            "the value holds a control character ({}): remove it, it may be a line break at its end",
            letter.escape_unicode()
        ));
    }
    if name == "group.instance.id" && value.trim().is_empty() {
        return Some("the value is empty: name this process, or leave it out".to_owned());
    }
    let text = value.trim();
    let begins = text.strip_prefix(['-', '+']).unwrap_or(text);
    if FRACTIONS.contains(&canonical(name)) && !begins.starts_with(|letter: char| letter.is_ascii_digit()) {
        // The library reads `nan` and `inf` as numbers, and so does its check of the range.
        return Some("the value is no plain number: write digits without a unit, as in 5".to_owned());
    }
    if !is_number(name) || !begins.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) =
        begins.split_once('.').map_or((begins, None), |(whole, rest)| (whole, Some(rest)));
    let are_digits = |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
    let is_plain = are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|fraction| FRACTIONS.contains(&name) && are_digits(fraction));
    let fits = whole.parse::<i32>().is_ok();
    match (is_plain, fits) {
        (true, true) => None,
        (true, false) => Some(format!(
            "the number is too large: {} is the most that the client library counts to",
            i32::MAX
        )),
        (false, _) => {
            Some("the value is no plain number: write digits without a unit, as in 15000".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_and_fit_in_the_library() {
        for (name, value) in [
            ("session.timeout.ms", "15000"),
            ("session.timeout.ms", " 15000 "),
            ("acks", "-1"),
            ("acks", "all"),
            ("linger.ms", "0.5"),
            ("linger.ms", "0"),
            ("retries", "2147483647"),
            ("client.id", "99999999999999"),
            ("client.id", "010"),
            ("sasl.password", "10s"),
        ] {
            assert_eq!(fault(name, value), None, "{name}={value}");
        }
        for (name, value, part) in [
            ("session.timeout.ms", "15s", "no plain number"),
            ("session.timeout.ms", "15000ms", "no plain number"),
            ("session.timeout.ms", "15_000", "no plain number"),
            ("session.timeout.ms", "1e4", "no plain number"),
            ("session.timeout.ms", "0x3a98", "no plain number"),
            ("session.timeout.ms", "015000", "no plain number"),
            ("session.timeout.ms", "15.5", "no plain number"),
            ("session.timeout.ms", "4294982296", "too large"),
            ("fetch.max.bytes", "99999999999999999999", "too large"),
            ("linger.ms", "5s", "no plain number"),
            ("linger.ms", "99999999999", "too large"),
            ("linger.ms", "NaN", "no plain number"),
            ("linger.ms", "-inf", "no plain number"),
            ("queue.buffering.max.ms", "infinity", "no plain number"),
            ("linger.ms", "", "no plain number"),
        ] {
            let found = fault(name, value);
            assert!(found.as_deref().is_some_and(|text| text.contains(part)), "{name}={value}: {found:?}");
        }
    }

    #[test]
    fn nothing_invisible_is_in_a_value() {
        for (name, value) in [
            ("client.id", "a\nb"),
            ("client.id", "a\0b"),
            ("client.rack", "\u{7}"),
            ("group.instance.id", "a\r"),
            ("group.instance.id", ""),
            ("sasl.password", "hunter2\n"),
        ] {
            let found = fault(name, value).expect("refused");
            assert!(!found.contains("ter2"), "{found}");
        }
        assert_eq!(fault("ssl.key.pem", "-----BEGIN\nabc\n"), None);
    }
}

//! Keeps secrets out of everything that is printed: values by their property's name, and the library's texts,
//! which may quote parts of values.
//!
//! The rule is an allow list. A value is shown if its property is known as harmless and the value is of the kind
//! that the property takes. Everything else is replaced by stars: the value of a misspelt `sasl.pasword`, or a
//! private key that was given to `client.id`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rdkafka::ClientConfig;

use super::names::{canonical, is_harmless};
use super::{addresses, values};

/// Replaces a value that is not shown.
pub(super) const STARS: &str = "***";
/// The maximum length of a harmless value, in bytes. A longer one may be a key or a certificate.
const LONGEST: usize = 200;
/// How many bytes of a secret in a row identify it in a text of the library. Shorter pieces would hide ordinary
/// words.
const PIECE: usize = 6;

/// Returns a value as it may be printed: itself, if its name is known as harmless and it is a value of such a
/// name; otherwise stars. A number or a word that the library refuses may be a secret that was given to the wrong
/// property.
pub(crate) fn shown<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if canonical(name) == "bootstrap.servers" {
        return addresses::shown(value);
    }
    let is_text = value.chars().any(char::is_control) || value.contains("-----") || value.len() > LONGEST;
    if is_harmless(name) && !is_text && values::is_of_kind(name, value) {
        Cow::Borrowed(value)
    } else {
        Cow::Borrowed(STARS)
    }
}

/// The values of a client that must not be printed. Removes them from the library's texts.
///
/// The library also quotes parts of a value, so any six bytes in a row that occur in a secret are hidden. A
/// client's `ErrorLog` holds one, and so does each error of a creation. Cloning copies the pieces.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// Secrets with fewer than six bytes. They are hidden where no letter or digit is next to them, not inside a
    /// word.
    short: Vec<String>,
    /// Every six bytes in a row of the longer secrets.
    pieces: BTreeSet<[u8; PIECE]>,
}

impl Secrets {
    /// Returns the secrets of a client that is created with `config`: every value that `shown` would not print.
    pub(crate) fn of(config: &ClientConfig) -> Self {
        let mut secrets = Self::default();
        // The map does not hold the values that rdkafka takes for secret, the getter does.
        for name in config.config_map().into_keys() {
            if let Some(value) = config.get(name)
                && shown(name, value) != value
            {
                secrets.add(value);
            }
        }
        secrets
    }

    /// Adds one secret, without surrounding spaces. An empty one hides nothing.
    pub(super) fn add(&mut self, value: &str) {
        let value = value.trim();
        if value.len() < PIECE {
            self.short.extend((!value.is_empty()).then(|| value.to_owned()));
        } else {
            self.pieces.extend(
                value.as_bytes().windows(PIECE).filter_map(|piece| <[u8; PIECE]>::try_from(piece).ok()),
            );
        }
    }

    /// Adds the secrets of another client.
    pub(super) fn extend(&mut self, other: Self) {
        self.short.extend(other.short);
        self.pieces.extend(other.pieces);
    }

    /// Returns the text with stars in place of each run of hidden bytes. Borrows the text if nothing is hidden.
    /// The cost is linear in the text, so it is for log lines and errors only.
    pub(crate) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hidden = vec![false; text.len()];
        for (at, piece) in text.as_bytes().windows(PIECE).enumerate() {
            if self.pieces.contains(piece) {
                hidden[at..at + PIECE].fill(true);
            }
        }
        let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        for short in &self.short {
            for (at, _) in text.match_indices(short.as_str()) {
                let end = at + short.len();
                if !is_letter(text[..at].chars().next_back()) && !is_letter(text[end..].chars().next()) {
                    hidden[at..end].fill(true);
                }
            }
        }
        if !hidden.contains(&true) {
            return Cow::Borrowed(text);
        }
        let mut left = String::new();
        let mut was_hidden = false;
        for (at, letter) in text.char_indices() {
            let is_hidden = hidden[at..at + letter.len_utf8()].contains(&true);
            if !is_hidden {
                left.push(letter);
            } else if !was_hidden {
                left.push_str(STARS);
            }
            was_hidden = is_hidden;
        }
        Cow::Owned(left)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(secrets: &[&str], text: &str) -> String {
        let mut all = Secrets::default();
        for secret in secrets {
            all.add(secret);
        }
        all.hide(text).into_owned()
    }

    #[test]
    fn secrets_and_parts_of_them_are_left_out_of_texts() {
        assert_eq!(
            hide(&["hunter2hunter2"], "bad \"hunter2hunter2\" (hunter2h) hunt"),
            "bad \"***\" (***) hunt"
        );
        assert_eq!(hide(&["pw"], "pw=pw, spwn 'pw'"), "***=***, spwn '***'");
        assert_eq!(hide(&["schlüssel"], "der schlüssel, schlü"), "der ***, ***");
        assert_eq!(hide(&["", " "], "nothing to hide"), "nothing to hide");
        assert_eq!(hide(&["pässword", "ä"], "ä-pässword"), "***-***");
    }

    #[test]
    fn a_value_is_shown_only_if_its_name_is_harmless_and_it_is_one_short_line() {
        assert_eq!(shown("client.id", "billing"), "billing");
        assert_eq!(shown("request.required.acks", "all"), "all");
        for (name, value) in [
            ("session.timeout.ms", "15s"),
            ("session.timeout.ms", "-15_000 ms"),
            ("fetch.max.bytes", "10MB"),
            ("linger.ms", "0.5"),
            ("isolation.level", "read_committed"),
            ("enable.idempotence", "TRUE"),
            ("debug", "broker,topic"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
        ] {
            assert_eq!(shown(name, value), value, "{name}");
        }
        for (name, value) in [
            ("sasl.password", "hunter2"),
            ("sasl.pasword", "hunter2"),
            ("sasl.jaas.config", "required password=\"hunter2\";"),
            ("client.id", "-----BEGIN PRIVATE KEY-----"),
            ("client.id", "a\nhunter2"),
            ("ssl.ca.location", &"x".repeat(300)),
            ("fetch.min.bytes", "hunter2"),
            ("fetch.min.bytes", "2hunters"),
            ("linger.ms", "5ms hunter2"),
            ("acks", "hunter2"),
            ("enable.idempotence", "hunter2"),
            ("security.protocol", "hunter2"),
            ("debug", "broker,hunter2"),
            ("log_level", "hunter2"),
        ] {
            assert_eq!(shown(name, value), STARS, "{name}");
        }
        assert_eq!(shown("metadata.broker.list", "u:hunter2@kafka:9092"), "***@kafka:9092");
    }
}

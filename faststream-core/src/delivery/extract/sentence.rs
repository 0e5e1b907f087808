//! serde's message about a payload, without the payload: errors go to logs and dead letters, where its text must not
//! be.
//!
//! serde's messages quote the invalid value (`invalid type: string "..."`) and unknown names. They are removed. The
//! expected type, the names of the type's own fields, line and column stay.

use std::borrow::Cow;

/// How much of a type's own error is kept, in bytes.
const LONGEST: usize = 400;

/// The kinds of values that serde quotes, with the beginning of the quote.
const QUOTED: [(&str, char); 5] =
    [("string ", '"'), ("integer ", '`'), ("boolean ", '`'), ("floating point ", '`'), ("character ", '`')];

/// Removes the payload's own text from one of serde's messages.
#[cold]
pub(super) fn without_values(sentence: &str) -> String {
    let sentence = without_value(sentence).or_else(|| without_name(sentence)).unwrap_or(sentence.into());
    if sentence.len() <= LONGEST {
        return sentence.into_owned();
    }
    let end = (0..=LONGEST).rev().find(|end| sentence.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &sentence[..end])
}

/// Returns `invalid type: string "secret", expected u64` without the secret.
fn without_value(sentence: &str) -> Option<Cow<'_, str>> {
    let prefix = ["invalid type: ", "invalid value: "].into_iter().find(|it| sentence.starts_with(it))?;
    let found = &sentence[prefix.len()..];
    let (kind, _) = QUOTED
        .iter()
        .find(|(kind, quote)| found.strip_prefix(kind).is_some_and(|it| it.starts_with(*quote)))?;
    // The last one belongs to the type: the value, which may contain the same words, comes before it.
    let expected = found.rfind(", expected ").map_or("", |at| &found[at..]);
    Some(format!("{prefix}{}{expected}", kind.trim_end()).into())
}

/// Returns ``unknown field `secret`, expected `id` `` without the secret.
fn without_name(sentence: &str) -> Option<Cow<'_, str>> {
    let prefix = ["unknown field", "unknown variant"]
        .into_iter()
        .find(|it| sentence.strip_prefix(it).is_some_and(|rest| rest.starts_with(" `")))?;
    let end = ["`, expected ", "`, there are no "].into_iter().filter_map(|end| sentence.rfind(end)).max();
    Some(format!("{prefix}{}", end.map_or("", |at| &sentence[at + 1..])).into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only decoded")]
    struct Strict {
        id: u64,
        kind: Option<Kind>,
        flag: Option<bool>,
        one: Option<char>,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        Small,
        Large,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    #[derive(Debug, Deserialize)]
    enum Never {}

    /// Returns the message about `payload`.
    fn said<T: DeserializeOwned + std::fmt::Debug>(payload: &str) -> String {
        without_values(&serde_json::from_str::<T>(payload).expect_err("does not fit").to_string())
    }

    #[test]
    fn values_are_not_quoted_but_what_was_expected_is() {
        assert_eq!(
            said::<Strict>(r#"{"id":"4111, expected nothing"}"#),
            "invalid type: string, expected u64 at line 1 column 30"
        );
        assert_eq!(
            said::<Strict>(r#"{"id":-4111}"#),
            "invalid value: integer, expected u64 at line 1 column 11"
        );
        assert_eq!(
            said::<Strict>(r#"{"id":41.11}"#),
            "invalid type: floating point, expected u64 at line 1 column 11"
        );
        assert_eq!(
            said::<Strict>(r#"{"id":true}"#),
            "invalid type: boolean, expected u64 at line 1 column 10"
        );
        assert_eq!(
            said::<Strict>(r#"{"id":1,"one":"4111"}"#),
            "invalid value: string, expected a character at line 1 column 20"
        );
        assert_eq!(
            said::<Strict>(r#"{"id":[4111]}"#),
            "invalid type: sequence, expected u64 at line 1 column 6"
        );
    }

    #[test]
    fn unknown_names_are_not_quoted_but_the_known_ones_are() {
        assert_eq!(
            said::<Strict>(r#"{"id":1,"kind":"4111`, expected x"}"#),
            "unknown variant, expected `Small` or `Large` at line 1 column 34"
        );
        assert_eq!(
            said::<Strict>(r#"{"4111":1}"#),
            "unknown field, expected one of `id`, `kind`, `flag`, `one` at line 1 column 7"
        );
        assert_eq!(said::<Nothing>(r#"{"4111":1}"#), "unknown field, there are no fields at line 1 column 7");
        assert_eq!(said::<Never>(r#""4111""#), "unknown variant, there are no variants at line 1 column 6");
    }

    #[test]
    fn keys_of_maps_are_not_quoted() {
        let error = said::<BTreeMap<u64, u64>>(r#"{"4111x":1}"#);
        assert!(!error.contains("4111"), "{error}");
    }

    #[test]
    fn a_long_sentence_of_the_type_itself_is_cut_at_a_character() {
        let long = without_values(&"ä".repeat(10_000));
        assert!(long.len() <= LONGEST + 3 && long.ends_with("ä..."), "{long}");
    }
}

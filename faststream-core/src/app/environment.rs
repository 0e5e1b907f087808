//! The source of values for `${VARIABLE:default}` in attributes.
//!
//! The process's environment, or a map in tests. Values are read once, at startup.

use std::collections::BTreeMap;

/// The source of values for `${VARIABLE:default}`.
///
/// As in a shell, an empty variable counts as unset where a default is given.
///
/// ```
/// use faststream::Environment;
///
/// let environment = Environment::only([("STAGE", "test")]);
/// assert_eq!(environment.expand("orders-${STAGE}")?, "orders-test");
/// assert_eq!(environment.expand("${GROUP:billing}")?, "billing");
/// assert!(environment.expand("${GROUP}").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The variables; `None` is the process's environment.
    map: Option<BTreeMap<String, String>>,
}

/// A text with variables that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// The variable is not set, and no default is given.
    #[error("the variable `{variable}` is not set: set it, or write a default, `${{{variable}:...}}`")]
    Unset {
        /// The variable's name.
        variable: String,
    },
    /// The variable is set, but is not valid Unicode.
    #[error("the variable `{variable}` is not valid UTF-8")]
    NotUnicode {
        /// The variable's name.
        variable: String,
    },
    /// A variable inside another variable, or inside its default.
    #[error(
        "`{text}` has a variable inside of another one, which is not resolved: write one, and set it to what the other one holds"
    )]
    Nested {
        /// The whole text.
        text: String,
    },
    /// A `${` without an end, or without a name.
    #[error("`{text}` has a `${{` that is no variable: write `${{NAME}}` or `${{NAME:default}}`")]
    Malformed {
        /// The whole text.
        text: String,
    },
}

impl Environment {
    /// Returns the process's environment.
    #[must_use]
    pub fn process() -> Self {
        Self::default()
    }

    /// Returns an environment with exactly these variables, whatever the process has.
    #[must_use]
    pub fn only<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let map = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { map: Some(map.collect()) }
    }

    /// Returns the value of a variable; `None` if it is not set.
    ///
    /// # Errors
    /// If the value is not valid UTF-8.
    pub fn get(&self, variable: &str) -> Result<Option<String>, ExpandError> {
        match &self.map {
            Some(map) => Ok(map.get(variable).cloned()),
            None => match std::env::var(variable) {
                Ok(value) => Ok(Some(value)),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(ExpandError::NotUnicode { variable: variable.to_owned() })
                }
            },
        }
    }

    /// Replaces every `${NAME}` and `${NAME:default}`. Everything else stays unchanged, even a lone `$`.
    ///
    /// A default may contain balanced braces: `${ROUTES:^a{2}$}`.
    ///
    /// # Errors
    /// If a variable has neither a value nor a default, or a `${` does not begin a variable.
    pub fn expand(&self, text: &str) -> Result<String, ExpandError> {
        let malformed = || ExpandError::Malformed { text: text.to_owned() };
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find("${") {
            expanded.push_str(&rest[..begin]);
            let inside = &rest[begin + 2..];
            let end = closing_brace(inside).ok_or_else(malformed)?;
            if inside[..end].contains("${") {
                return Err(ExpandError::Nested { text: text.to_owned() });
            }
            let (name, default) = match inside[..end].split_once(':') {
                Some((name, default)) => (name, Some(default)),
                None => (&inside[..end], None),
            };
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(malformed());
            }
            match (self.get(name)?, default) {
                (Some(value), default) if !value.is_empty() || default.is_none() => expanded.push_str(&value),
                (_, Some(default)) => expanded.push_str(default),
                (_, None) => return Err(ExpandError::Unset { variable: name.to_owned() }),
            }
            rest = &inside[end + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Returns the position of the `}` that closes a brace opened before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_variables_and_keeps_the_rest() {
        let environment = Environment::only([("A", "x"), ("EMPTY", "")]);
        let expand = |text| environment.expand(text).expect(text);
        assert_eq!(expand("plain $1 {a}"), "plain $1 {a}");
        assert_eq!(expand("${A}-${B:y}-${A:z}"), "x-y-x");
        assert_eq!(expand("${EMPTY:d}|${EMPTY}|${NONE:}"), "d||");
        assert_eq!(expand("${P:^a{2,3}$}!"), "^a{2,3}$!");
        assert_eq!(expand("${U:kafka://h:1}"), "kafka://h:1");
    }

    #[test]
    fn says_what_is_missing_or_malformed() {
        let environment = Environment::only([("A", "x")]);
        let refuse = |text| environment.expand(text).expect_err(text).to_string();
        assert_eq!(
            refuse("a-${ORDERS}"),
            "the variable `ORDERS` is not set: set it, or write a default, `${ORDERS:...}`"
        );
        for text in ["${", "${A", "${}", "${A B}", "${:x}"] {
            assert!(refuse(text).contains(&format!("`{text}` has a `${{`")), "{text}");
        }
    }

    #[test]
    fn a_variable_inside_of_another_one_is_named_as_that() {
        let environment = Environment::only([("A", "x")]);
        for text in ["${A:${B:x}}", "${${A}}", "a-${B:b-${A}}-c", "${A:{${B}}}"] {
            let error = environment.expand(text).expect_err(text).to_string();
            assert!(error.contains("a variable inside of another one"), "{text}: {error}");
        }
        // The value of a variable is not expanded again.
        let environment = Environment::only([("A", "${B}")]);
        assert_eq!(environment.expand("${A}"), Ok("${B}".to_owned()));
    }

    #[test]
    fn reads_the_process_by_default() {
        assert_eq!(Environment::process().get("CARGO_PKG_NAME"), Ok(Some("faststream-core".to_owned())));
    }
}

//! Strings of attributes, and what can be checked of them at compile time: variables, durations, backoffs, names.
//!
//! A value may contain `${VARIABLE:default}`, or be a constant of another file. Neither is known here, so the
//! startup repeats every check with the final value. The checks here exist for the earlier error, at the user's
//! own token.

use proc_macro2::TokenStream as Tokens;
use quote::ToTokens;
use syn::{Error, Expr, LitStr, Result};

/// A string as it was written.
pub(crate) enum Text {
    /// A literal: checked here.
    Literal(LitStr),
    /// An expression that may be a string, such as a constant or `concat!(..)`: its type is checked by the
    /// compiler, its value at startup.
    Constant(Expr),
}

impl Text {
    /// Reads an expression; `None` if it is certainly no string, such as a number or a closure.
    pub(crate) fn read(value: &Expr) -> Option<Self> {
        if let Ok(literal) = syn::parse2(value.to_token_stream()) {
            return Some(Self::Literal(literal));
        }
        match value {
            Expr::Group(group) => Self::read(&group.expr),
            Expr::Path(_)
            | Expr::Macro(_)
            | Expr::Field(_)
            | Expr::Index(_)
            | Expr::Call(_)
            | Expr::MethodCall(_)
            | Expr::Paren(_)
            | Expr::Block(_) => Some(Self::Constant(value.clone())),
            _ => None,
        }
    }

    /// Checks a literal. Constants pass.
    pub(crate) fn checked(self, check: impl FnOnce(&LitStr) -> Result<()>) -> Result<Self> {
        if let Self::Literal(literal) = &self {
            check(literal)?;
        }
        Ok(self)
    }
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut Tokens) {
        match self {
            Self::Literal(literal) => literal.to_tokens(tokens),
            Self::Constant(value) => value.to_tokens(tokens),
        }
    }
}

/// Checks that each `${VARIABLE:default}` is closed and has a name. Returns whether there are any: the other
/// checks are left to the startup then.
pub(crate) fn variables(text: &LitStr) -> Result<bool> {
    let value = text.value();
    let mut rest = value.as_str();
    let mut any = false;
    while let Some(at) = rest.find("${") {
        any = true;
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            return Err(Error::new(
                text.span(),
                "`${` is not closed: write `${VARIABLE}` or `${VARIABLE:default}`",
            ));
        };
        let name = inner[..end].split(':').next().unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(legal) {
            let message =
                format!("`{name}` is no variable's name: write `${{VARIABLE}}` or `${{VARIABLE:default}}`");
            return Err(Error::new(text.span(), message));
        }
        rest = &inner[end + 1..];
    }
    Ok(any)
}

/// Checks that the name of a group, a broker or a pattern is not empty. `what` is the subject of the sentence.
pub(crate) fn name(text: &LitStr, what: &str) -> Result<()> {
    if !variables(text)? && text.value().trim().is_empty() {
        return Err(Error::new(text.span(), format!("{what} needs a name")));
    }
    Ok(())
}

/// Checks the name of a topic by Kafka's rule: 1 to 249 letters, digits, `.`, `_` and `-`. With variables, only
/// their form is checked.
pub(crate) fn topic(text: &LitStr) -> Result<()> {
    name(text, "a topic")?;
    let value = text.value();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if variables(text)? || (value.len() <= 249 && value.chars().all(legal)) {
        return Ok(());
    }
    let message = "not a topic's name: Kafka takes letters, digits, `.`, `_` and `-`, 249 at most";
    Err(Error::new(text.span(), message))
}

/// Checks a duration: a whole number and a unit, `200ms`, `10s`, `1m`, `1h`.
pub(crate) fn duration(text: &LitStr) -> Result<()> {
    if variables(text)? || is_duration(&text.value()) {
        return Ok(());
    }
    let message = format!(
        "`{}` is not a duration: write a number and a unit, such as `200ms`, `10s`, `1m`",
        text.value()
    );
    Err(Error::new(text.span(), message))
}

/// Checks the delay of a retry topic. It becomes a part of the topic's name as it is written, so it has no spaces
/// and no variables; and it is above zero.
pub(crate) fn delay(text: &LitStr) -> Result<()> {
    let value = text.value();
    if value.contains("${") {
        let message = "a retry topic is named by its delay, which holds no variables: write `10s`, `1m`";
        return Err(Error::new(text.span(), message));
    }
    duration(text)?;
    if value.trim() != value {
        let message =
            format!("a retry topic is named by its delay: write it without spaces, `{}`", value.trim());
        return Err(Error::new(text.span(), message));
    }
    if value.trim_end_matches(char::is_alphabetic).bytes().all(|digit| digit == b'0') {
        let message = format!("a delay begins above zero: `{value}` would retry in a hot loop");
        return Err(Error::new(text.span(), message));
    }
    Ok(())
}

/// Checks a backoff: the first and the longest pause, `200ms..10s`, or one pause for all.
pub(crate) fn backoff(text: &LitStr) -> Result<()> {
    let value = text.value();
    let (first, longest) = value.split_once("..").unwrap_or((&value, &value));
    if variables(text)? || (is_duration(first) && is_duration(longest)) {
        return Ok(());
    }
    let message =
        format!("`{value}` is not a backoff: write the first and the longest pause, as in `200ms..10s`");
    Err(Error::new(text.span(), message))
}

/// Returns whether this is a duration, with spaces around it allowed. The same grammar as that of
/// `faststream-core`, which parses it at startup.
fn is_duration(text: &str) -> bool {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    digits > 0 && text[..digits].parse::<u64>().is_ok() && matches!(&text[digits..], "ms" | "s" | "m" | "h")
}

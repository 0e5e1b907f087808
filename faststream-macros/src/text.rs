//! Strings, and what can be checked of them at compile time: variables, durations, backoffs, names.

use proc_macro2::TokenStream as Tokens;
use quote::ToTokens;
use syn::{Error, Expr, LitStr, Result};

/// A string as it was written.
pub(crate) enum Text {
    /// Checked here.
    Literal(LitStr),
    /// A constant, `concat!(..)`: checked when the app starts.
    Constant(Expr),
}

impl Text {
    /// `None` for what is no string for certain.
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

    /// Checks what can be seen.
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

/// `${VARIABLE:default}`s must be closed and named. True if there are any: the rest is checked at start.
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

/// A topic, a group, a broker.
pub(crate) fn name(text: &LitStr, what: &str) -> Result<()> {
    if !variables(text)? && text.value().trim().is_empty() {
        return Err(Error::new(text.span(), format!("{what} needs a name")));
    }
    Ok(())
}

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

/// The delay of a retry topic, which is named by it.
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

fn is_duration(text: &str) -> bool {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    digits > 0 && text[..digits].parse::<u64>().is_ok() && matches!(&text[digits..], "ms" | "s" | "m" | "h")
}

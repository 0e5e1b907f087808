//! Reads the list of `#[publisher(...)]`. A function may have several: each publishes every value that it returns.
//!
//! It is read twice: here for a subscriber, and by `crate::publisher` for an attribute without one, only for its
//! mistakes.

use proc_macro2::TokenStream as Tokens;
use quote::ToTokens;
use syn::{Attribute, Error, Expr, Result};

use crate::errors::Errors;
use crate::list::{Entry, Value, entries};
use crate::text::{self, Text};

/// One `#[publisher(...)]`.
pub(crate) struct Publisher {
    /// Where the result is published. May contain variables, which are resolved at startup.
    pub(super) topic: Text,
    /// The function from the result to the record's key, as the user wrote it; `None` for a record without a key,
    /// unless the result brings one.
    pub(super) key: Option<Expr>,
}

/// A right list, for messages.
const PUBLISHER: &str = "#[publisher(topic = \"invoices\")]";

/// Reads one `#[publisher(...)]`. Mistakes go to `errors`; `None` if it has no valid topic.
pub(crate) fn publisher(attr: &Attribute, errors: &mut Errors) -> Option<Publisher> {
    let tokens = match &attr.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => Tokens::new(),
    };
    let (mut topic, mut key) = (None, None);
    // A list that was not understood may have had one.
    let mut wrong = Errors::default();
    for entry in entries(tokens, PUBLISHER, &mut wrong) {
        match entry.key.to_string().as_str() {
            "topic" => {
                let read = entry.text("invoices").and_then(|name| name.checked(text::topic));
                topic = Some(wrong.keep(read));
            }
            "key" => key = wrong.keep(key_of(&entry)),
            unknown => wrong.at(&entry.key, unknown_key(unknown)),
        }
    }
    if topic.is_none() && wrong.is_empty() {
        wrong.at(attr, format!("where to? write `{PUBLISHER}`"));
    }
    errors.extend(wrong);
    Some(Publisher { topic: topic??, key })
}

/// Reads `key = |order: &Order| order.id`, or the path of a function. A literal, a reference, a tuple and an array
/// are no functions for certain; the type of anything else is checked by the compiler.
///
/// The closure gets a reference to the value, so the value can still be encoded afterwards.
fn key_of(entry: &Entry) -> Result<Expr> {
    match &entry.value {
        Value::Is(value)
            if !matches!(value, Expr::Lit(_) | Expr::Reference(_) | Expr::Tuple(_) | Expr::Array(_)) =>
        {
            Ok(value.clone())
        }
        Value::Is(value) => Err(wrong_key(value)),
        _ => Err(wrong_key(&entry.key)),
    }
}

/// Returns the error of a key that is no function of the value.
fn wrong_key(at: impl ToTokens) -> Error {
    let message = "a key is made of the value that is published: write `key = |order: &Order| order.id`, or the path of a \
                   function";
    Error::new_spanned(at, message)
}

/// Returns the message for a key that does not exist, with what the user may have meant.
fn unknown_key(unknown: &str) -> String {
    match unknown {
        "topics" | "to" | "destination" | "queue" | "subject" => {
            format!(
                "`publisher` has no `{unknown}`: did you mean `topic`? for several topics write several `#[publisher]`"
            )
        }
        "headers" | "partition" | "timestamp" => format!(
            "`publisher` has no `{unknown}`: return `Publish::new(value)` with `.{}(..)`",
            if unknown == "headers" { "header" } else { unknown }
        ),
        _ => format!("`publisher` has no `{unknown}`: it takes `topic` and `key`"),
    }
}

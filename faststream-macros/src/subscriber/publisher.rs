//! `#[publisher(...)]`, as a subscriber reads it.

use proc_macro2::TokenStream as Tokens;
use quote::ToTokens;
use syn::{Attribute, Error, Expr, Result};

use crate::errors::Errors;
use crate::list::{Entry, Value, entries};
use crate::text::{self, Text};

/// One `#[publisher(...)]`.
pub(crate) struct Publisher {
    pub(super) topic: Text,
    pub(super) key: Option<Expr>,
}

const PUBLISHER: &str = "#[publisher(topic = \"invoices\")]";

/// Reads one `#[publisher(...)]`.
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

/// `key = |order: &Order| order.id`, or a function: what a value cannot give is no key.
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

fn wrong_key(at: impl ToTokens) -> Error {
    let message = "a key is made of the value that is published: write `key = |order: &Order| order.id`, or the path of a \
                   function";
    Error::new_spanned(at, message)
}

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

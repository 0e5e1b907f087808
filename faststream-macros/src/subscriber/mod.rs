//! `#[subscriber]`: the function stays, one constant is written beside it.

mod constant;
mod rules;
mod settings;
mod signature;

use proc_macro2::{Span, TokenStream as Tokens};
use quote::{ToTokens, quote};
use syn::{Attribute, Error, Expr, Result};

use self::settings::Settings;
use crate::errors::Errors;
use crate::item::{Function, is_named};
use crate::list::{Entry, Value, entries};
use crate::text::{self, Text};

/// One `#[publisher(...)]`.
struct Publisher {
    topic: Text,
    key: Option<Expr>,
}

/// `in_impl` is whether the function stands in an `impl`.
pub(crate) fn expand(args: Tokens, item: Tokens, in_impl: bool) -> Result<Tokens> {
    let mut errors = Errors::default();
    let settings = settings::read(args, &mut errors);
    let mut function = match Function::parse_item(item, "a subscriber") {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            errors.finish()?;
            return Ok(Tokens::new());
        }
    };
    let (attrs, kept): (Vec<_>, Vec<_>) =
        std::mem::take(&mut function.attrs).into_iter().partition(|attr| is_named(attr, "publisher"));
    function.attrs = kept;
    let publishers: Vec<_> = attrs.iter().filter_map(|attr| publisher(attr, &mut errors)).collect();
    if function.attrs.iter().any(|attr| is_named(attr, "subscriber")) {
        errors.at_span(
            Span::call_site(),
            "a function is one subscriber: name several topics by `topics = [\"a\", \"b\"]`",
        );
    }
    let arguments = signature::arguments(&function.sig, in_impl, &mut errors);
    rules::check(&settings, signature::ack(&arguments), &mut errors);
    // A misspelt key may have been meant: one mistake, one error.
    if settings.source.is_none() && errors.is_empty() {
        let message =
            "what does it read? write `#[subscriber(topic = \"orders\")]`, or `topics`, or `pattern`";
        errors.at_span(Span::call_site(), message);
    }
    if !attrs.is_empty() {
        signature::returns_something(&function.sig, &mut errors);
    }
    errors.finish()?;
    let constant = constant::generate(&settings, &function, &attrs, &arguments, &publishers);
    Ok(quote!(#function #constant))
}

const PUBLISHER: &str = "#[publisher(topic = \"invoices\")]";

fn publisher(attr: &Attribute, errors: &mut Errors) -> Option<Publisher> {
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

impl Settings {
    fn private(&self) -> Tokens {
        let krate = self.krate.as_ref().map_or_else(|| quote!(::faststream), |path| quote!(#path));
        quote!(#krate::__private)
    }
}

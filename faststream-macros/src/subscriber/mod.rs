//! `#[subscriber]`: the function stays, one constant is written beside it.

mod constant;
mod rules;
mod settings;
mod signature;

use proc_macro2::{Span, TokenStream as Tokens};
use quote::quote;
use syn::{Attribute, Expr, LitStr, Result};

use self::settings::Settings;
use crate::errors::Errors;
use crate::item::{Function, is_named};
use crate::list::entries;
use crate::text;

/// One `#[publisher(...)]`.
struct Publisher {
    topic: LitStr,
    key: Option<Expr>,
}

pub(crate) fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
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
    let types = signature::arguments(&function.sig, &mut errors);
    rules::check(&settings, signature::ack(&types), &mut errors);
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
    let constant = constant::generate(&settings, &function, &types, &publishers);
    // Their imports are used, although the attributes were taken off.
    let imports = attrs.iter().map(Attribute::path);
    Ok(quote! {
        #function
        #constant
        const _: () = {
            #(#[allow(unused_imports)] use #imports as _;)*
        };
    })
}

fn publisher(attr: &Attribute, errors: &mut Errors) -> Option<Publisher> {
    let tokens = match &attr.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => Tokens::new(),
    };
    let (mut topic, mut key) = (None, None);
    for entry in entries(tokens, errors) {
        match entry.key.to_string().as_str() {
            "topic" => {
                let read = entry.text("invoices").and_then(|name| text::topic(&name).map(|()| name));
                topic = Some(errors.keep(read));
            }
            "key" => key = errors.keep(entry.expression()),
            unknown => {
                errors.at(&entry.key, format!("`publisher` has no `{unknown}`: it takes `topic` and `key`"));
            }
        }
    }
    if topic.is_none() {
        errors.at(attr, "where to? write `#[publisher(topic = \"invoices\")]`");
    }
    Some(Publisher { topic: topic??, key })
}

impl Settings {
    fn private(&self) -> Tokens {
        let krate = self.krate.as_ref().map_or_else(|| quote!(::faststream), |path| quote!(#path));
        quote!(#krate::__private)
    }
}

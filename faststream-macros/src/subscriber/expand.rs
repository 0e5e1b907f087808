//! Runs the steps of `#[subscriber]` and puts the function and its constant together.

use proc_macro2::{Span, TokenStream as Tokens};
use quote::quote;
use syn::Result;

use super::publisher::publisher;
use super::settings::Settings;
use super::{constant, rules, settings, signature};
use crate::errors::Errors;
use crate::item::{Function, is_named};

/// Returns the function without `#[publisher]`, and the constant. `in_impl` is whether the function is inside an
/// `impl`.
///
/// # Errors
/// All mistakes of the attribute, of its publishers and of the signature. A missing topic is reported only if
/// there is no other mistake: its key may be misspelt.
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

impl Settings {
    /// Returns the path of what generated code calls: `::faststream::__private`, or that of the renamed crate.
    pub(super) fn private(&self) -> Tokens {
        let krate = self.krate.as_ref().map_or_else(|| quote!(::faststream), |path| quote!(#path));
        quote!(#krate::__private)
    }
}

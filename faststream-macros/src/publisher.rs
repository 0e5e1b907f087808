//! `#[publisher]` as an attribute of its own: expanded only if it is above `#[subscriber]`, or without one.
//!
//! Attributes expand from the outside in. Below `#[subscriber]`, that one reads and removes it. Above it, the two
//! are exchanged here, so their order does not matter to the user.

use proc_macro2::{Span, TokenStream as Tokens};
use quote::quote;
use syn::parse::Parser;
use syn::{Attribute, Result};

use crate::errors::Errors;
use crate::item::{Function, is_named};
use crate::subscriber;

/// Moves the attribute below `#[subscriber]`, which expands next.
///
/// # Errors
/// Without a `#[subscriber]`: nothing calls the function, so nothing would be published. Mistakes in its own list
/// are reported as well, so that one compile shows all of them.
pub(crate) fn expand(args: &Tokens, item: Tokens) -> Result<Tokens> {
    let mut function = Function::parse_item(item, "what `#[publisher]` stands on")?;
    if let Some(at) = function.attrs.iter().position(|attr| is_named(attr, "subscriber")) {
        let subscriber = function.attrs.remove(at);
        return Ok(quote!(#subscriber #[publisher(#args)] #function));
    }
    let mut errors = Errors::default();
    errors.at_span(
        Span::call_site(),
        "`#[publisher]` publishes what a subscriber returns: add `#[subscriber(topic = \"...\")]`",
    );
    // What is wrong with its own list, too.
    for attr in Attribute::parse_outer.parse2(quote!(#[publisher(#args)]))? {
        let _ = subscriber::publisher(&attr, &mut errors);
    }
    errors.finish()?;
    Ok(quote!(#function))
}

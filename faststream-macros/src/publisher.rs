//! `#[publisher]`, when it is met before `#[subscriber]`: moved below it, where it is read.

use proc_macro2::{Span, TokenStream as Tokens};
use quote::quote;
use syn::{Error, Result};

use crate::item::{Function, is_named};

pub(crate) fn expand(args: &Tokens, item: Tokens) -> Result<Tokens> {
    let mut function = Function::parse_item(item, "what `#[publisher]` stands on")?;
    match function.attrs.iter().position(|attr| is_named(attr, "subscriber")) {
        Some(at) => {
            let subscriber = function.attrs.remove(at);
            Ok(quote!(#subscriber #[publisher(#args)] #function))
        }
        None => Err(Error::new(
            Span::call_site(),
            "`#[publisher]` publishes what a subscriber returns: add `#[subscriber(topic = \"...\")]`",
        )),
    }
}

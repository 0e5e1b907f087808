//! A function whose body is left unparsed: it may be half-typed.
//!
//! An editor expands the macros while the user types. If the body had to be valid, each keystroke would remove the
//! function and every completion in it.

use proc_macro2::{TokenStream as Tokens, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Result, Signature, Visibility};

/// A function item, with its body as tokens.
pub(crate) struct Function {
    /// All attributes above the function, doc comments included, without the one that is being expanded.
    pub(crate) attrs: Vec<Attribute>,
    /// `pub` and the like.
    pub(crate) vis: Visibility,
    /// From `async` to the return type.
    pub(crate) sig: Signature,
    /// The body with its braces, and whatever else follows the signature.
    body: Tokens,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, out: &mut Tokens) {
        let Self { attrs, vis, sig, body } = self;
        out.extend(quote!(#(#attrs)* #vis #sig #body));
    }
}

impl Function {
    /// Returns the function. If something else has the attribute, the error is at its first word; `what` is the
    /// subject of the sentence "... is a function".
    pub(crate) fn parse_item(item: Tokens, what: &str) -> Result<Self> {
        syn::parse2(item.clone())
            .map_err(|_| syn::Error::new_spanned(first(item), format!("{what} is a function")))
    }

    /// Returns whether its body contains this word, at any depth. Finds what another attribute macro has left:
    /// `#[tokio::main]` above ours writes `block_on` into the body.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        mentions(self.body.clone(), word)
    }
}

/// Returns whether an attribute has this name, by whatever path: `#[publisher]`, `#[faststream::publisher]`. A
/// renamed import is not found.
pub(crate) fn is_named(attr: &Attribute, name: &str) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == name)
}

/// Returns the item as it was, without attributes that only this crate understands. For the case of an error:
/// those attributes would cause further ones. An item that is no function is returned unchanged.
pub(crate) fn without_helpers(item: Tokens) -> Tokens {
    match syn::parse2::<Function>(item.clone()) {
        Ok(mut function) => {
            function.attrs.retain(|attr| !is_named(attr, "publisher") && !is_named(attr, "subscriber"));
            function.into_token_stream()
        }
        Err(_) => item,
    }
}

/// Returns whether the tokens contain this word, at any depth.
fn mentions(tokens: Tokens, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => mentions(group.stream(), word),
        _ => false,
    })
}

/// Returns the first token that is no punctuation, as the place of an error.
fn first(item: Tokens) -> Tokens {
    item.into_iter().find(|token| !matches!(token, TokenTree::Punct(_))).into_iter().collect()
}

//! A function whose body is left unparsed: it may be half-typed.

use proc_macro2::{TokenStream as Tokens, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Result, Signature, Visibility};

pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
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
    /// The function, or a sentence about what stands there instead.
    pub(crate) fn parse_item(item: Tokens, what: &str) -> Result<Self> {
        syn::parse2(item.clone())
            .map_err(|_| syn::Error::new_spanned(first(item), format!("{what} is a function")))
    }

    /// Whether its body holds this word.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        mentions(self.body.clone(), word)
    }
}

/// Whether an attribute is this one, by whatever path.
pub(crate) fn is_named(attr: &Attribute, name: &str) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == name)
}

/// The item as it stood, without attributes that only this crate understands.
pub(crate) fn without_helpers(item: Tokens) -> Tokens {
    match syn::parse2::<Function>(item.clone()) {
        Ok(mut function) => {
            function.attrs.retain(|attr| !is_named(attr, "publisher") && !is_named(attr, "subscriber"));
            function.into_token_stream()
        }
        Err(_) => item,
    }
}

fn mentions(tokens: Tokens, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => mentions(group.stream(), word),
        _ => false,
    })
}

fn first(item: Tokens) -> Tokens {
    item.into_iter().find(|token| !matches!(token, TokenTree::Punct(_))).into_iter().collect()
}

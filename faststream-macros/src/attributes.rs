//! The attributes of a function and of its parameters that the generated code needs, too: `cfg` and the levels of
//! lints.
//!
//! A parameter with `#[cfg(feature = "x")]` must be extracted only with that feature, and a handler with
//! `#[allow(deprecated)]` must not warn in the generated code either. `cfg_attr` is carried with those parts of it
//! that may become such an attribute.

use proc_macro2::{TokenStream as Tokens, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Meta};

/// Returns the attributes that decide whether the item exists: `cfg`.
pub(crate) fn conditions(attrs: &[Attribute]) -> Vec<Tokens> {
    carried(attrs, |name| (name == "cfg").then_some("cfg"))
}

/// Returns those, and the levels of lints. `expect` becomes `allow`: the lint need not fire in the generated code.
pub(crate) fn conditions_and_lints(attrs: &[Attribute]) -> Vec<Tokens> {
    carried(attrs, |name| match name {
        "cfg" => Some("cfg"),
        "allow" | "expect" => Some("allow"),
        "warn" => Some("warn"),
        "deny" => Some("deny"),
        "forbid" => Some("forbid"),
        _ => None,
    })
}

/// Returns the attributes for which `under` returns a name, under that name.
fn carried(attrs: &[Attribute], under: impl Fn(&str) -> Option<&'static str> + Copy) -> Vec<Tokens> {
    attrs.iter().filter_map(|attr| meta(&attr.meta, under)).map(|meta| quote!(#[#meta])).collect()
}

/// Returns the carried form of one attribute; `None` if nothing of it is carried. Recursive, as `cfg_attr` nests.
fn meta(meta: &Meta, under: impl Fn(&str) -> Option<&'static str> + Copy) -> Option<Tokens> {
    let Meta::List(list) = meta else { return None };
    let name = list.path.get_ident()?;
    if name == "cfg_attr" {
        let mut parts = parts(&list.tokens);
        let condition = parts.next()?;
        let metas = parts.filter_map(|part| self::meta(&syn::parse2(part).ok()?, under));
        let metas: Vec<_> = metas.collect();
        return (!metas.is_empty()).then(|| quote!(#name(#condition, #(#metas),*)));
    }
    let carried = syn::Ident::new(under(&name.to_string())?, name.span());
    let tokens = &list.tokens;
    Some(quote!(#carried(#tokens)))
}

/// Splits tokens at their commas. A group is a single token, so commas inside it do not count.
fn parts(tokens: &Tokens) -> impl Iterator<Item = Tokens> {
    let tokens: Vec<TokenTree> = tokens.to_token_stream().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let parts: Vec<Tokens> = tokens.split(is_comma).map(|part| part.iter().cloned().collect()).collect();
    parts.into_iter().filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(attrs: &[Tokens]) -> String {
        attrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ").replace(' ', "")
    }

    #[test]
    fn conditions_are_carried_and_lints_become_levels_that_need_not_fire() {
        let attrs: Vec<Attribute> = vec![
            syn::parse_quote!(#[cfg(feature = "a")]),
            syn::parse_quote!(#[cfg_attr(any(unix, windows), cfg(feature = "b"), must_use, expect(deprecated))]),
            syn::parse_quote!(#[cfg_attr(unix, inline)]),
            syn::parse_quote!(#[expect(clippy::all, reason = "so, it is")]),
            syn::parse_quote!(#[inline]),
            syn::parse_quote!(#[doc = "words"]),
        ];
        assert_eq!(
            written(&conditions(&attrs)),
            r#"#[cfg(feature="a")]#[cfg_attr(any(unix,windows),cfg(feature="b"))]"#
        );
        assert_eq!(
            written(&conditions_and_lints(&attrs)),
            r#"#[cfg(feature="a")]#[cfg_attr(any(unix,windows),cfg(feature="b"),allow(deprecated))]#[allow(clippy::all,reason="so,itis")]"#
        );
    }
}

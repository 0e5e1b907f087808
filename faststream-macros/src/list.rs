//! `key = value, key(..), key` lists, read so that one mistake does not hide the next.

use proc_macro2::{Delimiter, Ident, Span, TokenStream as Tokens, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, ExprPath, LitInt, LitStr, Path, Result, Token};

use crate::errors::Errors;

/// One entry of an attribute's list.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    /// `key`
    None,
    /// `key = tokens`
    Is(Tokens),
    /// `key(tokens)`
    List(Tokens),
}

/// The entries, in order. What is no entry is noted and passed over.
pub(crate) fn entries(tokens: Tokens, errors: &mut Errors) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for part in split(tokens) {
        let Some(entry) = errors.keep(entry.parse2(part)) else { continue };
        if entries.iter().any(|earlier| earlier.key == entry.key) {
            errors.at(&entry.key, format!("`{}` is given twice: remove one", entry.key));
            continue;
        }
        entries.push(entry);
    }
    entries
}

/// At the commas outside of any `<..>`-free nesting (groups are single tokens).
fn split(tokens: Tokens) -> Vec<Tokens> {
    let mut parts = vec![Vec::<TokenTree>::new()];
    let mut pipes = 0;
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '|' => pipes += 1,
            // Between the bars of a closure, a comma separates its parameters.
            TokenTree::Punct(punct) if punct.as_char() == ',' && pipes % 2 == 0 => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("never empty").push(token);
    }
    parts.into_iter().filter(|part| !part.is_empty()).map(|part| part.into_iter().collect()).collect()
}

fn entry(input: ParseStream<'_>) -> Result<Entry> {
    let key = input.call(Ident::parse_any).map_err(|_| {
        input.error("expected `key = value`: settings are written as in `#[subscriber(topic = \"orders\")]`")
    })?;
    let value = if input.is_empty() {
        Value::None
    } else if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        let tokens: Tokens = input.parse()?;
        if tokens.is_empty() {
            return Err(Error::new_spanned(&key, format!("`{key}` has no value: write it behind the `=`")));
        }
        Value::Is(tokens)
    } else {
        let group: proc_macro2::Group =
            input.parse().map_err(|_| Error::new_spanned(&key, format!("expected `{key} = ...`")))?;
        if group.delimiter() != Delimiter::Parenthesis || !input.is_empty() {
            return Err(Error::new_spanned(&key, format!("expected `{key} = ...`")));
        }
        Value::List(group.stream())
    };
    Ok(Entry { key, value })
}

impl Entry {
    /// `key = "text"`.
    pub(crate) fn text(&self, example: &str) -> Result<LitStr> {
        let wrong = |at: Span| {
            Error::new(at, format!("`{}` takes a string: `{} = \"{example}\"`", self.key, self.key))
        };
        match &self.value {
            Value::Is(tokens) => syn::parse2(tokens.clone()).map_err(|_| wrong(span(tokens))),
            Value::None | Value::List(_) => Err(wrong(self.key.span())),
        }
    }

    /// `key = 16`.
    pub(crate) fn number(&self) -> Result<(LitInt, u32)> {
        let wrong = |at: Span| {
            Error::new(at, format!("`{}` takes a whole number from 1 on: `{} = 16`", self.key, self.key))
        };
        let Value::Is(tokens) = &self.value else { return Err(wrong(self.key.span())) };
        let literal: LitInt = syn::parse2(tokens.clone()).map_err(|_| wrong(span(tokens)))?;
        match literal.base10_parse() {
            Ok(number) if number > 0 => Ok((literal, number)),
            _ => Err(wrong(literal.span())),
        }
    }

    /// `key = ["a", "b"]`.
    pub(crate) fn texts(&self, example: &str) -> Result<Vec<LitStr>> {
        let key = &self.key;
        let wrong =
            |at: Span| Error::new(at, format!("`{key}` takes a list of strings: `{key} = {example}`"));
        let Value::Is(tokens) = &self.value else { return Err(wrong(key.span())) };
        let array: syn::ExprArray = syn::parse2(tokens.clone()).map_err(|_| wrong(span(tokens)))?;
        if array.elems.is_empty() {
            let message = format!("`{key}` is empty: name at least one, as in `{key} = {example}`");
            return Err(Error::new_spanned(&array, message));
        }
        array
            .elems
            .iter()
            .map(|element| syn::parse2(element.to_token_stream()).map_err(|_| wrong(span(element))))
            .collect()
    }

    /// `key = Name`, completed to `Set::Name`; or a path to a constant.
    pub(crate) fn choice(&self, set: &'static str, names: &[&str]) -> Result<Choice> {
        let key = &self.key;
        let all = names.join("`, `");
        let wrong = |at: Span| Error::new(at, format!("`{key}` is one of `{all}`: `{key} = {}`", names[0]));
        let Value::Is(tokens) = &self.value else { return Err(wrong(key.span())) };
        let path: ExprPath = syn::parse2(tokens.clone()).map_err(|_| wrong(span(tokens)))?;
        let Some(name) = path.path.get_ident() else {
            return Ok(Choice { set, path: path.path, name: None });
        };
        let name_text = name.to_string();
        if names.contains(&name_text.as_str()) {
            return Ok(Choice { set, name: Some(name.to_string()), path: path.path });
        }
        let close = names.iter().find(|known| known.eq_ignore_ascii_case(&name_text.replace('_', "")));
        let fix = close.map_or_else(|| format!("one of `{all}`"), |known| format!("`{known}`"));
        Err(Error::new_spanned(name, format!("`{key}` has no `{name}`: write {fix}")))
    }

    /// `key = expression`.
    pub(crate) fn expression(&self) -> Result<Expr> {
        let Value::Is(tokens) = &self.value else {
            return Err(Error::new_spanned(&self.key, format!("expected `{} = ...`", self.key)));
        };
        syn::parse2(tokens.clone())
    }
}

/// A value of a closed set.
pub(crate) struct Choice {
    set: &'static str,
    /// The single identifier that was written.
    name: Option<String>,
    path: Path,
}

impl Choice {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Whether it is known here: not a path to a constant.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As Rust sees it.
    pub(crate) fn tokens(&self, private: &Tokens) -> Tokens {
        let path = &self.path;
        if self.name.is_none() {
            return path.to_token_stream();
        }
        let set = Ident::new(self.set, Span::call_site());
        quote::quote!(#private::#set::#path)
    }
}

pub(crate) fn span(tokens: impl ToTokens) -> Span {
    Error::new_spanned(tokens, "").span()
}

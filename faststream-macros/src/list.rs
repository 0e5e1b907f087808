//! Reads the lists of attributes, `key = value, key(..), key`, so that one mistake does not hide the next.
//!
//! A list is read entry by entry. An entry that is not understood is reported and skipped up to the next comma:
//!
//! ```text
//! #[subscriber(topic = "orders", retries 3, group = )]
//!                                ^^^^^^^    ^^^^^ two errors, and the topic is known
//! ```
//!
//! Which keys exist, and which value each takes, is decided by the callers with the methods of [`Entry`]. Those
//! return an error at the value, with an example of a right one. A value is kept as tokens until then, because the
//! same text may be a string, a name or an expression, as the key says.

use proc_macro2::{Delimiter, Ident, Span, TokenStream as Tokens, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, ExprPath, LitInt, LitStr, Path, Result, Token};

use crate::errors::Errors;
use crate::text::Text;

/// One entry of an attribute's list.
pub(crate) struct Entry {
    /// The key; keywords (`crate`) are allowed.
    pub(crate) key: Ident,
    /// What follows the key.
    pub(crate) value: Value,
}

/// What follows a key. Each key accepts one of these forms.
pub(crate) enum Value {
    /// `key`
    None,
    /// `key = expression`
    Is(Expr),
    /// `key(tokens)`
    List(Tokens),
}

/// Returns the entries in order. Mistakes go to `errors`, and their entries are left out, the second one of a key
/// included. `example` shows a right list in the message.
pub(crate) fn entries(tokens: Tokens, example: &str, errors: &mut Errors) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match entry(input, example).and_then(|entry| ends(input).map(|()| entry)) {
                Ok(entry) if entries.iter().any(|earlier| earlier.key == entry.key) => {
                    errors.at(&entry.key, format!("`{}` is given twice: remove one", entry.key));
                }
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    errors.push(error);
                    pass_over(input)?;
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    let _ = read.parse2(tokens);
    entries
}

/// Checks that a comma or the end follows an entry.
fn ends(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(input.error("expected `,`: settings are separated by commas"))
}

/// Skips what was not understood, up to the next comma.
fn pass_over(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Reads one entry, without the comma after it.
fn entry(input: ParseStream<'_>, example: &str) -> Result<Entry> {
    let key = input.call(Ident::parse_any).map_err(|_| {
        input.error(format!("expected `key = value`: settings are written as in `{example}`"))
    })?;
    let value = if input.is_empty() || input.peek(Token![,]) {
        Value::None
    } else if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new_spanned(&key, format!("`{key}` has no value: write it behind the `=`")));
        }
        Value::Is(expression(input)?)
    } else if let Ok(group) = input.parse::<proc_macro2::Group>()
        && group.delimiter() == Delimiter::Parenthesis
    {
        Value::List(group.stream())
    } else {
        return Err(Error::new_spanned(&key, format!("expected `{key} = ...`")));
    };
    Ok(Entry { key, value })
}

/// Reads an expression. If it is none, no token is taken, so that `pass_over` finds the right comma.
fn expression(input: ParseStream<'_>) -> Result<Expr> {
    let ahead = input.fork();
    let expression = ahead.parse::<Expr>()?;
    input.advance_to(&ahead);
    Ok(expression)
}

impl Entry {
    /// Reads `key = "text"`, or a constant.
    pub(crate) fn text(&self, example: &str) -> Result<Text> {
        let wrong = |at: Span| {
            let key = &self.key;
            Error::new(at, format!("`{key}` takes a string, or a constant: `{key} = \"{example}\"`"))
        };
        let Value::Is(value) = &self.value else { return Err(wrong(self.key.span())) };
        Text::read(value).ok_or_else(|| wrong(span(value)))
    }

    /// Reads `key = "text"`, where the macro itself needs the text.
    pub(crate) fn literal(&self, example: &str) -> Result<LitStr> {
        let wrong = |at: Span| {
            Error::new(at, format!("`{}` takes a string: `{} = \"{example}\"`", self.key, self.key))
        };
        let Value::Is(value) = &self.value else { return Err(wrong(self.key.span())) };
        syn::parse2(value.to_token_stream()).map_err(|_| wrong(span(value)))
    }

    /// Reads `key = 16`: the literal as it was written, and its value, which is at least 1.
    pub(crate) fn number(&self) -> Result<(LitInt, u32)> {
        let wrong = |at: Span| {
            Error::new(at, format!("`{}` takes a whole number from 1 on: `{} = 16`", self.key, self.key))
        };
        let Value::Is(value) = &self.value else { return Err(wrong(self.key.span())) };
        let literal: LitInt = syn::parse2(value.to_token_stream()).map_err(|_| wrong(span(value)))?;
        match literal.base10_parse() {
            Ok(number) if number > 0 => Ok((literal, number)),
            _ => Err(wrong(literal.span())),
        }
    }

    /// Reads `key = [..]`, and returns the elements. An empty list is an error.
    pub(crate) fn elements(&self, example: &str) -> Result<Vec<Expr>> {
        let key = &self.key;
        let wrong =
            |at: Span| Error::new(at, format!("`{key}` takes a list of strings: `{key} = {example}`"));
        let Value::Is(value) = &self.value else { return Err(wrong(key.span())) };
        let array: syn::ExprArray = syn::parse2(value.to_token_stream()).map_err(|_| wrong(span(value)))?;
        if array.elems.is_empty() {
            let message = format!("`{key}` is empty: name at least one, as in `{key} = {example}`");
            return Err(Error::new_spanned(&array, message));
        }
        Ok(array.elems.into_iter().collect())
    }

    /// Reads `key = ["a", "b"]`, each a string or a constant.
    pub(crate) fn texts(&self, example: &str) -> Result<Vec<Text>> {
        let key = &self.key;
        let wrong = |at: &Expr| {
            let message = format!("`{key}` takes a list of strings, or of constants: `{key} = {example}`");
            Error::new(span(at), message)
        };
        self.elements(example)?
            .iter()
            .map(|element| Text::read(element).ok_or_else(|| wrong(element)))
            .collect()
    }

    /// Reads `key = ["a", "b"]`, where the macro itself needs the texts.
    pub(crate) fn literals(&self, example: &str) -> Result<Vec<LitStr>> {
        let key = &self.key;
        let wrong =
            |at: &Expr| Error::new(span(at), format!("`{key}` takes a list of strings: `{key} = {example}`"));
        let read = |element: &Expr| syn::parse2(element.to_token_stream()).map_err(|_| wrong(element));
        self.elements(example)?.iter().map(read).collect()
    }

    /// Reads `key = Name`, where the name is completed to `set::Name`, or a path to a constant. A name in the
    /// wrong case, or with underscores, gets the right one in the message.
    pub(crate) fn choice(&self, set: &'static str, names: &[&str]) -> Result<Choice> {
        let key = &self.key;
        let all = names.join("`, `");
        let wrong = |at: Span| Error::new(at, format!("`{key}` is one of `{all}`: `{key} = {}`", names[0]));
        let Value::Is(value) = &self.value else { return Err(wrong(key.span())) };
        let path: ExprPath = syn::parse2(value.to_token_stream()).map_err(|_| wrong(span(value)))?;
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
}
/// A value of a closed set: `DeadLetter`, or the path of a constant.
pub(crate) struct Choice {
    /// The enum's name in `faststream::__private`.
    set: &'static str,
    /// The single identifier that was written.
    name: Option<String>,
    /// The name or the path as it was written; errors about the value point to it.
    path: Path,
}

impl Choice {
    /// Returns whether this name was written. False for a constant, whose value is unknown here.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Returns the name; `None` if a path to a constant was written, whose value only the startup knows.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns what was written.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the value as an expression: `private::set::Name`, or the path.
    pub(crate) fn tokens(&self, private: &Tokens) -> Tokens {
        let path = &self.path;
        if self.name.is_none() {
            return path.to_token_stream();
        }
        let set = Ident::new(self.set, Span::call_site());
        quote::quote!(#private::#set::#path)
    }
}

/// Returns the place of all these tokens together.
pub(crate) fn span(tokens: impl ToTokens) -> Span {
    Error::new_spanned(tokens, "").span()
}

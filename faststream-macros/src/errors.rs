//! All mistakes of one attribute, reported together: whoever has made three of them compiles once and not three
//! times.
//!
//! A message is one sentence: what is wrong, then the fix, in the user's terms. The tests under `tests/ui` compare
//! each with a snapshot.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, Result};

/// The mistakes found so far, combined into one error of `syn`; `None` without a mistake.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// Adds a mistake.
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    /// Adds all of these mistakes, too.
    pub(crate) fn extend(&mut self, others: Self) {
        if let Some(error) = others.0 {
            self.push(error);
        }
    }

    /// Returns whether no mistake was found so far. Used to suppress a mistake that follows from another.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a mistake at these tokens. `message` is the whole sentence, with the fix.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    /// Adds a mistake at this place, for tokens that are known by their span only.
    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(Error::new(span, message));
    }

    /// Returns the value, or `None` and adds the error. The caller continues without the value.
    pub(crate) fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Returns all mistakes as one error, and forgets them.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), Err)
    }
}

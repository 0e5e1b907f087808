//! Checks the signature of a handler: a free function with owned arguments and named types.
//!
//! | refused | why |
//! | --- | --- |
//! | a method, `self`, `Self` | the framework has no value to call it on |
//! | generics | the handler is registered at link time, where nobody chooses the types |
//! | `unsafe`, another ABI | the framework calls it like any function |
//! | `&T`, `Cow<'_, str>`, a lifetime | a suspended call must not keep the buffer of a whole fetch in memory |
//! | `impl Trait`, `_` as an argument | the type decides how the record is read, so it has to be written |
//! | `impl Trait` as a result | the type decides what the result means |
//!
//! Whether a type is an extractor is not known here: the compiler finds that out, with the constant that is
//! generated.

use proc_macro2::{Spacing, Span, TokenStream as Tokens, TokenTree};
use quote::ToTokens;
use syn::{FnArg, ReturnType, Signature, Type};

use crate::attributes;
use crate::errors::Errors;

/// One argument of a handler.
pub(super) struct Argument<'a> {
    /// Its type, as the user wrote it; generated code about the argument points to it.
    pub(super) ty: &'a Type,
    /// Its `cfg` attributes: without their condition, it is neither extracted nor passed.
    pub(super) conditions: Vec<Tokens>,
    /// These, and the levels of its lints, for the generated statements about it.
    pub(super) attributes: Vec<Tokens>,
}

/// Returns the arguments, and reports what a handler cannot be: a method, generic, `unsafe`, of another ABI, or a
/// function that returns `impl Trait`. Wrong arguments are reported and left out.
pub(super) fn arguments<'a>(sig: &'a Signature, in_impl: bool, errors: &mut Errors) -> Vec<Argument<'a>> {
    if in_impl && sig.receiver().is_none() {
        errors.at(&sig.ident, "a subscriber is a free function: move it out of the `impl`");
        return Vec::new();
    }
    if !sig.generics.params.is_empty() {
        let message =
            "a subscriber can't be generic: it is registered at link time, where nobody chooses the types";
        errors.at(&sig.generics, message);
    }
    if let syn::Safety::Unsafe(unsafety) = &sig.safety {
        errors.at(unsafety, "a subscriber is called by the framework: it can't be `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a subscriber is a Rust function: remove the ABI");
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Type::ImplTrait(opaque) = &**ty
    {
        errors.at(opaque, "name the type that is returned: `impl Trait` can't be published nor settled");
    }
    sig.inputs.iter().filter_map(|argument| typed(argument, errors)).collect()
}

/// Returns one argument, or reports why its type does not do: a reference, `impl Trait`, `_`, `Self`, or a type
/// that borrows from the record.
fn typed<'a>(argument: &'a FnArg, errors: &mut Errors) -> Option<Argument<'a>> {
    let argument = match argument {
        FnArg::Receiver(receiver) => {
            errors.at(receiver, "a subscriber is a free function: take shared data as `State<T>`");
            return None;
        }
        FnArg::Typed(argument) => argument,
    };
    let message = match &*argument.ty {
        Type::Reference(_) => "a subscriber owns its arguments: take this by value",
        Type::ImplTrait(_) => "a subscriber's arguments have named types",
        Type::Infer(_) => "write the type out: a record is read by it",
        ty if names_self(ty.to_token_stream()) => {
            "a subscriber is a free function: move it out of the `impl`, and name the type instead of `Self`"
        }
        ty => {
            if let Some(at) = borrow(ty.to_token_stream()) {
                errors.at_span(
                    at,
                    "a subscriber owns its arguments, this one borrows from the record: use owned types, `String` \
                     instead of `&str` or `Cow<'_, str>`",
                );
                return None;
            }
            return Some(Argument {
                ty,
                conditions: attributes::conditions(&argument.attrs),
                attributes: attributes::conditions_and_lints(&argument.attrs),
            });
        }
    };
    errors.at(&argument.ty, message);
    None
}

/// Returns whether `Self` occurs in a type, which means that the function is inside an `impl` that `placement` did
/// not find.
fn names_self(tokens: Tokens) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => names_self(group.stream()),
        _ => false,
    })
}

/// Returns where a type borrows: at a lifetime other than `'static`, or at a `&` without one.
///
/// | type | result |
/// | --- | --- |
/// | `Cow<'a, str>`, `Option<&str>`, `Order<'_>` | borrows |
/// | `State<&'static str>`, `Box<dyn Error + 'static>` | does not |
/// | `State<fn(&str) -> u8>`, `State<Box<dyn for<'a> Fn(&'a str)>>` | does not: these are lifetimes of the function |
///
/// It reads tokens, as `syn`'s types would have to be visited case by case, and a token that is not understood
/// borrows nothing.
fn borrow(tokens: Tokens) -> Option<Span> {
    let mut tokens = tokens.into_iter().peekable();
    let mut function = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "for" => {
                // The lifetimes that it names are those of a function.
                tokens
                    .by_ref()
                    .find(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '>'));
                function = true;
            }
            TokenTree::Ident(ident) => {
                function = ident == "fn" || ident == "Fn" || ident == "FnMut" || ident == "FnOnce";
            }
            TokenTree::Group(group) => {
                if !std::mem::take(&mut function)
                    && let Some(at) = borrow(group.stream())
                {
                    return Some(at);
                }
            }
            // What a function returns borrows from what it takes.
            TokenTree::Punct(punct) if punct.as_char() == '-' => {
                let ends = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | '+' | ';'));
                tokens.by_ref().find(ends);
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' && punct.spacing() == Spacing::Joint => {
                if let Some(TokenTree::Ident(name)) = tokens.next()
                    && name != "static"
                {
                    return Some(punct.span());
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                let lifetime = tokens.peek();
                if !matches!(lifetime, Some(TokenTree::Punct(punct)) if punct.as_char() == '\'') {
                    return Some(punct.span());
                }
            }
            _ => {}
        }
    }
    None
}

/// Returns the type of the argument that finishes the record manually, found by its name `Ack`. An alias of it is
/// found at startup.
pub(super) fn ack<'a>(arguments: &[Argument<'a>]) -> Option<&'a Type> {
    arguments.iter().map(|argument| argument.ty).find(|ty| match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Ack"),
        _ => false,
    })
}

/// Reports a `#[publisher]` on a function that returns nothing: there is no value to publish.
pub(super) fn returns_something(sig: &Signature, errors: &mut Errors) {
    let nothing = match &sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()),
    };
    if nothing {
        errors.at(&sig.ident, "`#[publisher]` publishes what is returned, and nothing is: return a value");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_borrows_from_the_record_is_found() {
        for owned in [
            "Order",
            "Vec<Order>",
            "State<&'static str>",
            "Box<dyn Error + 'static>",
            "State<fn(&str) -> u8>",
            "State<Box<dyn for<'a> Fn(&'a str) -> &'a str>>",
            "State<Box<dyn Fn(&str, (&u8, u8)) + Send>>",
            "State<(fn(&str) -> &str, u8)>",
            "[u8; 4]",
        ] {
            assert!(borrow(owned.parse().expect("a type")).is_none(), "{owned}");
        }
        for borrowed in [
            "Order<'_>",
            "Cow<'a, str>",
            "Option<&str>",
            "Box<dyn Error + '_>",
            "(u8, &'a u8)",
            "State<(fn(&str), &str)>",
            "State<(fn(&str) -> &str, &str)>",
        ] {
            assert!(borrow(borrowed.parse().expect("a type")).is_some(), "{borrowed}");
        }
    }
}

//! `#[faststream::main]`: the app's function is kept, and `fn main` is written beside it.
//!
//! The generated `main` is short. It has the package's name and version, which only the user's crate knows, and
//! calls `__private::run`; all behaviour is in `src/entry.rs` of the `faststream` crate. What the function may
//! return (an app, a `Result` of one) is decided by the compiler, through the probe of `faststream-core`.

use proc_macro2::{Ident, TokenStream as Tokens};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Result, ReturnType};

use crate::errors::Errors;
use crate::item::{Function, is_named, without_helpers};
use crate::list::{entries, span};

/// Returns the function and `fn main`. `args` may have `crate = "..."`.
///
/// If there is a mistake, it returns the function, an empty `fn main` and the errors: a missing `main` would be
/// one more error, about something that is not wrong.
pub(crate) fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
    let mut function = Function::parse_item(item, "the app")?;
    let other = function.attrs.iter().position(|attr| is_named(attr, "main"));
    let other = other.map(|other| function.attrs.remove(other));
    let mut errors = Errors::default();
    let mut krate = quote!(::faststream);
    for entry in entries(args, "#[faststream::main]", &mut errors) {
        if entry.key == "crate" {
            let path = entry.literal("faststream").and_then(|text| text.parse::<syn::Path>());
            if let Some(path) = errors.keep(path) {
                krate = quote!(#path);
            }
        } else {
            errors.at(&entry.key, format!("`main` has no `{}`: it only takes `crate = \"...\"`", entry.key));
        }
    }
    let sig = &function.sig;
    if sig.ident == "main" {
        errors.at(&sig.ident, "name it `app`: `main` is generated, and tests call `app()`");
        // The function itself would be an error too.
        let error = errors.finish().err().map(syn::Error::into_compile_error);
        return Ok(quote!(fn main() {} #error));
    }
    if let Some(other) = other {
        errors.at(other, "remove this: `#[faststream::main]` starts the runtime, and nothing else may");
    } else if sig.asyncness.is_none() && function.mentions("block_on") {
        // It stood above, and has made a function that blocks of it.
        errors.at(
            &sig.ident,
            "remove `#[tokio::main]`: `#[faststream::main]` starts the runtime, and calls this `async fn`",
        );
    } else if sig.asyncness.is_none() {
        errors.at(sig.fn_token, "the app is built by an `async fn`: write `async fn app() -> FastStream`");
    }
    if !sig.inputs.is_empty() {
        errors.at(&sig.inputs, "the app is built from nothing: read settings inside");
    }
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, "the app's function has no generics: nobody is there to choose them");
    }
    if matches!(sig.output, ReturnType::Default) {
        errors.at(&sig.ident, "the app is returned: write `-> FastStream`");
    }
    if let Err(error) = errors.finish() {
        // That there is no `main` would be another one.
        let (function, error) = (without_helpers(function.into_token_stream()), error.into_compile_error());
        return Ok(quote!(#function fn main() {} #error));
    }
    let name = &sig.ident;
    let at = span(sig.output.to_token_stream().into_iter().last());
    let app = Ident::new("__faststream_app", at);
    let build = quote_spanned! {at=>
        let #app = #name().await;
        (&&&&#krate::__private::Probe::of(&#app)).__faststream_app().__faststream_built(#app)
    };
    Ok(quote! {
        #function

        fn main() -> ::std::process::ExitCode {
            use #krate::__private::tags::*;
            let main = #krate::__private::Main {
                package: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                panics_abort: ::core::cfg!(panic = "abort"),
            };
            #krate::__private::run(async || { #build }, main)
        }
    })
}

//! `#[faststream::main]`: the app's function stays, `fn main` is written beside it.

use proc_macro2::TokenStream as Tokens;
use quote::{quote, quote_spanned};
use syn::{Result, ReturnType};

use crate::errors::Errors;
use crate::item::Function;
use crate::list::{entries, span};

pub(crate) fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
    let function = Function::parse_item(item, "the app")?;
    let mut errors = Errors::default();
    let mut krate = quote!(::faststream);
    for entry in entries(args, &mut errors) {
        if entry.key == "crate" {
            let path = entry.text("faststream").and_then(|text| text.parse::<syn::Path>());
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
    if sig.asyncness.is_none() {
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
    errors.finish()?;
    let name = &sig.ident;
    let run = quote_spanned! {span(&sig.output)=>
        #krate::__private::run(#name, ::core::env!("CARGO_PKG_NAME"), ::core::env!("CARGO_PKG_VERSION"))
    };
    Ok(quote! {
        #function

        fn main() -> ::std::process::ExitCode {
            #run
        }
    })
}

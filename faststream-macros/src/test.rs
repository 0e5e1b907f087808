//! `#[faststream::test]`: makes a test of an `async fn`, on one thread, in virtual time.
//!
//! The user's function moves into a plain `#[test]` function of the same name, which runs it with
//! `__private::test`. Attributes (`#[ignore]`, `#[should_panic]`) stay on the outer one.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::Result;

use crate::errors::Errors;
use crate::item::{Function, is_named};
use crate::list::{Value, entries};

/// Returns the test function. `args` may have `real_time` and `crate = "..."`.
///
/// # Errors
/// If the function cannot be a test: it is not `async`, takes arguments, or another attribute starts a runtime for
/// it.
pub(crate) fn expand(args: Tokens, item: Tokens) -> Result<Tokens> {
    let mut function = Function::parse_item(item, "a test")?;
    let mut errors = Errors::default();
    let mut krate = quote!(::faststream);
    let mut real_time = false;
    for entry in entries(args, "#[faststream::test(real_time)]", &mut errors) {
        if entry.key == "real_time" && matches!(entry.value, Value::None) {
            real_time = true;
        } else if entry.key == "crate" {
            let path = entry.literal("faststream").and_then(|text| text.parse::<syn::Path>());
            if let Some(path) = errors.keep(path) {
                krate = quote!(#path);
            }
        } else {
            errors.at(
                &entry.key,
                "a test takes `real_time`, for handlers that await a real socket, and `crate = \"...\"`",
            );
        }
    }
    if let Some(other) = function.attrs.iter().find(|attr| is_named(attr, "test")) {
        errors.at(other, "remove this: `#[faststream::test]` makes it a test, and starts the runtime");
    } else if function.sig.asyncness.is_none() && function.mentions("block_on") {
        errors.at(&function.sig.ident, "remove `#[tokio::test]`: `#[faststream::test]` starts the runtime");
    } else if function.sig.asyncness.is_none() {
        errors.at(function.sig.fn_token, "a test that awaits is an `async fn`; a plain one takes `#[test]`");
    }
    if !function.sig.inputs.is_empty() {
        errors.at(&function.sig.inputs, "a test takes no arguments");
    }
    errors.finish()?;
    let (name, output) = (function.sig.ident.clone(), function.sig.output.clone());
    let (attrs, vis) = (std::mem::take(&mut function.attrs), function.vis.clone());
    function.vis = syn::Visibility::Inherited;
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis fn #name() #output {
            #function
            #krate::__private::test(#real_time, #name)
        }
    })
}

//! Runs the expansion of an attribute, so that a mistake never removes the user's function.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;

use crate::item;

/// Runs an expansion. If it fails, the item is kept beside the errors: one mistake is one error, because callers
/// of the function still find it, and the editor still completes in its body.
///
/// The item loses `#[subscriber]` and `#[publisher]` then, whose expansion would add errors about the same
/// mistake.
pub(crate) fn keeping(item: TokenStream, expand: impl FnOnce(Tokens) -> syn::Result<Tokens>) -> TokenStream {
    let item = Tokens::from(item);
    let expanded = expand(item.clone()).unwrap_or_else(|error| {
        let item = item::without_helpers(item);
        let error = error.into_compile_error();
        quote!(#item #error)
    });
    expanded.into()
}

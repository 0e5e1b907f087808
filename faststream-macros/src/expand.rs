//! How an attribute's expansion is run.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;

use crate::item;

/// Runs an expansion; on failure the item is kept beside the errors, so that one mistake is one error and the editor
/// still sees the function.
pub(crate) fn keeping(item: TokenStream, expand: impl FnOnce(Tokens) -> syn::Result<Tokens>) -> TokenStream {
    let item = Tokens::from(item);
    let expanded = expand(item.clone()).unwrap_or_else(|error| {
        let item = item::without_helpers(item);
        let error = error.into_compile_error();
        quote!(#item #error)
    });
    expanded.into()
}

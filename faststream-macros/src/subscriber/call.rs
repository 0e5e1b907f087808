//! Prints how the function is called: its arguments read from a delivery, its result turned into an outcome.

use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::{quote, quote_spanned};
use syn::ReturnType;

use super::constant::hidden;
use super::publisher::Publisher;
use super::signature::Argument;
use crate::item::Function;
use crate::list::span;

/// Returns the same path, with its errors at `at`.
pub(super) fn located(path: &Tokens, at: Span) -> Tokens {
    path.clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(at);
            token
        })
        .collect()
}

/// Prints the expression whose type says what an argument is. Method resolution tries the traits from the most
/// specific to the least, one reference fewer each time: an extractor, the payload, then the traits that only
/// exist for a better message.
///
/// ```text
/// (&&&&&Probe::<Order>::new()).__faststream_tag()
/// ```
pub(super) fn tag(private: &Tokens, argument: &Argument<'_>) -> Tokens {
    let ty = argument.ty;
    let private = located(private, span(ty));
    quote_spanned!(span(ty)=> (&&&&&#private::Probe::<#ty>::new()).__faststream_tag())
}

/// Prints the closure that reads a delivery and calls the function.
///
/// The arguments are read from the borrowed delivery before the closure returns; the returned call owns them. The
/// first one that cannot be read ends the call as rejected, so a payload that does not decode is never passed on
/// in part.
///
/// The chain of `slot` variables counts the arguments that decode the payload, in the type system: `Free`, then
/// `Taken`, and a second one gives `Twice`, which does not compile, with the error at its type. Arguments under
/// `#[cfg]` are counted only if they exist, which a count in the macro could not know.
pub(super) fn call(
    private: &Tokens,
    function: &Function,
    arguments: &[Argument<'_>],
    publishers: &[Publisher],
) -> Tokens {
    let name = &function.sig.ident;
    let here = Span::call_site();
    let (delivery, slot, plain) = (hidden("delivery", here), hidden("slot", here), hidden("plain", here));
    let (extract, passed): (Vec<_>, Vec<_>) = arguments
        .iter()
        .enumerate()
        .map(|(index, argument)| {
            let at = span(argument.ty);
            let private = located(private, at);
            let value = hidden(&format!("argument{index}"), at);
            // The same variable, shown at the argument's type.
            let seen = hidden("slot", at);
            let (read, rejection) = (hidden("read", at), hidden("rejection", at));
            let (conditions, attributes) = (&argument.conditions, &argument.attributes);
            let (tag, ty) = (tag(&private, argument), argument.ty);
            let extract = quote_spanned! {at=>
                #(#attributes)*
                let #slot = #private::Count::__faststream_count(#tag, #seen);
                #(#attributes)*
                let #slot = #private::Count::__faststream_count(
                    #private::Decodes::<{ #private::Probe::<#ty>::DECODES_PAYLOAD }>,
                    #seen,
                );
                #(#attributes)*
                let #slot = #private::OnePayload::__faststream_one(#seen);
                #(#attributes)*
                let #value = match #tag.__faststream_extract(#delivery) {
                    #private::Ok(#read) => #read,
                    #private::Err(#rejection) => return #private::rejected(#rejection),
                };
            };
            (extract, quote!(#(#conditions)* #value))
        })
        .unzip();
    let calling = quote_spanned!(name.span()=> #name(#(#passed),*));
    let slot_at_name = hidden("slot", name.span());
    let calling = if function.sig.asyncness.is_some() {
        quote_spanned!(name.span()=> #slot_at_name.__faststream_call(#calling).await)
    } else {
        let (done, outcome) = (hidden("done", name.span()), hidden("outcome", name.span()));
        quote_spanned! {name.span()=>
            match #private::blocking(#plain, move || #calling).await {
                #private::Ok(#done) => #done,
                #private::Err(#outcome) => return #outcome,
            }
        }
    };
    let (hand, new, given) = if function.sig.asyncness.is_some() {
        (None, quote!(new), None)
    } else {
        let hand = quote!(let #plain = #private::plain(#delivery););
        (Some(hand), quote!(plain), Some(quote!(#plain.clone(),)))
    };
    let at = match &function.sig.output {
        ReturnType::Default => name.span(),
        ReturnType::Type(_, ty) => span(ty),
    };
    let (returned, topics) = (hidden("returned", at), hidden("topics", at));
    let private_at = located(private, at);
    let settle = if publishers.is_empty() {
        let (done, error) = (hidden("done", at), hidden("error", at));
        quote_spanned! {at=>
            match (&#returned).__faststream_split().__faststream_result(#returned) {
                #private_at::Ok(#done) => #private_at::IntoOutcome::into_outcome(#done),
                #private_at::Err(#error) => #private_at::Failure::into_outcome(#error),
            }
        }
    } else {
        publish(&private_at, &returned, &topics, at, publishers)
    };
    let topics =
        (!publishers.is_empty()).then(|| quote!(let #topics = #private::publisher_topics(#delivery);));
    quote! {
        |#delivery: &#private::Delivery<'_>| {
            use #private::tags::*;
            let #slot = #private::Free;
            #(#extract)*
            let _ = &#slot;
            #hand
            #topics
            #private::Call::#new(#given async move {
                let #returned = #calling;
                #settle
            })
        }
    }
}

/// Prints how the result is published.
///
/// ```text
/// let values = match (&returned).__faststream_split().__faststream_result(returned) {
///     Ok(each) => (&each).__faststream_each().__faststream_values(each),
///     Err(error) => return Failure::into_outcome(error),
/// };
/// let mut copies = Vec::new();
/// for value in values {
///     let keys = [Some(IntoBytes::into_key(key_of(&value, |order| order.id)))];
///     let encoded = IntoOutgoing::into_outgoing(value, first(&topics));
///     if let Err(outcome) = encode(encoded, &topics, keys, &mut copies) { return outcome; }
/// }
/// published(copies)
/// ```
///
/// A `Result` gives its value, an `Option` or a `Vec` each of theirs, any other type itself: found by autoref,
/// from the most specific to the least. Each value is encoded once for all publishers. The copies are the outcome
/// of the call: core publishes them, and finishes the record only when the broker has confirmed all of them.
fn publish(private: &Tokens, returned: &Ident, topics: &Ident, at: Span, publishers: &[Publisher]) -> Tokens {
    let (values, copies, value) = (hidden("values", at), hidden("copies", at), hidden("value", at));
    let (each, keys, error) = (hidden("each", at), hidden("keys", at), hidden("error", at));
    let (encoded, outcome) = (hidden("encoded", at), hidden("outcome", at));
    let key = publishers.iter().map(|publisher| match &publisher.key {
        None => quote!(#private::None),
        Some(key) => {
            let (at, private) = (span(key), located(private, span(key)));
            let value = hidden("value", at);
            quote_spanned!(at=> #private::Some(#private::IntoBytes::into_key(#private::key_of(&#value, #key))))
        }
    });
    quote_spanned! {at=> {
        let #values = match (&#returned).__faststream_split().__faststream_result(#returned) {
            #private::Ok(#each) => (&#each).__faststream_each().__faststream_values(#each),
            #private::Err(#error) => return #private::Failure::into_outcome(#error),
        };
        let mut #copies = #private::Vec::new();
        for #value in #values {
            let #keys = [#(#key),*];
            let #encoded = #private::IntoOutgoing::into_outgoing(#value, #private::first(&#topics));
            if let #private::Err(#outcome) = #private::encode(#encoded, &#topics, #keys, &mut #copies) {
                return #outcome;
            }
        }
        #private::published(#copies)
    }}
}

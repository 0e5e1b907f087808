//! Prints the constant beside the function: its settings as they were written, and how the function is called.
//!
//! For `#[subscriber(topic = "orders")] async fn bill(order: Order)` it is, shortened:
//!
//! ```text
//! const _: () = {
//!     faststream::__private::submit! { SubscriberDef {
//!         name: "bill", module: module_path!(), file: file!(), line: line!(), ...,
//!         source: SourceDef::Topics(&["orders"]), group: None, ack: None, ...,
//!         call: |delivery| {
//!             // Which trait reads the argument: by autoref, from its type.
//!             let argument0 = match (&&&&&Probe::<Order>::new()).__faststream_tag()
//!                 .__faststream_extract(delivery) {
//!                 Ok(read) => read,
//!                 Err(rejection) => return rejected(rejection),
//!             };
//!             Call::new(async move {
//!                 let returned = bill(argument0).await;
//!                 // Outcome of the call, again by autoref: `()`, a verdict, a `Result` of them.
//!                 ...
//!             })
//!         },
//!         requires: |requirements| { ... },
//!     } }
//! };
//! ```
//!
//! * Generated names begin with `__faststream`, so they never meet a name of the user.
//! * Each token is spanned at the user's token that it stands for, so an error about a type, a result or a key
//!   points there.
//! * Arguments are extracted before the call's future begins, so the future owns everything and does not borrow
//!   the record.
//! * A function that is not `async` runs on a thread for blocking work.

use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, Lit, Meta, ReturnType};

use super::publisher::Publisher;
use super::settings::{Settings, Source};
use super::signature::Argument;
use crate::attributes::conditions_and_lints;
use crate::item::Function;
use crate::list::{Choice, span};
use crate::text::Text;

/// Prints the constant. `attributes` are the `#[publisher]`s that were removed from the function, `publishers`
/// what was read from them. Called only if there is no mistake, so a source exists.
///
/// The constant has no name (`const _`), so the handler's name stays free for the function alone, and two handlers
/// in one module never collide. The paths of the removed attributes are imported in it: otherwise the import of
/// `publisher` in the user's module would be reported as unused.
pub(super) fn generate(
    settings: &Settings,
    function: &Function,
    attributes: &[Attribute],
    arguments: &[Argument<'_>],
    publishers: &[Publisher],
) -> Tokens {
    let private = settings.private();
    let carried = conditions_and_lints(&function.attrs);
    let name = function.sig.ident.unraw().to_string();
    let doc = doc(&function.attrs);
    let source = source(settings, &private);
    let text = |text: Option<&Text>| option(&private, text.map(ToTokens::to_token_stream));
    let choice = |choice: &Option<(Ident, Choice)>| {
        option(&private, choice.as_ref().map(|(_, choice)| quote_spanned_choice(choice, &private)))
    };
    let (group, broker) = (text(settings.group.as_ref()), text(settings.broker.as_ref()));
    let dead_letter = text(settings.dead_letter.as_ref().map(|(_, topic)| topic));
    let (timeout, drain) = (text(settings.timeout.as_ref()), text(settings.drain.as_ref()));
    let enabled = text(settings.enabled.as_ref());
    let (ack, on_error) = (choice(&settings.ack), choice(&settings.on_error));
    let (on_decode_error, order) = (choice(&settings.on_decode_error), choice(&settings.order));
    let (commit, start) = (choice(&settings.commit), choice(&settings.start));
    let concurrency = option(&private, settings.concurrency.as_ref().map(|(_, literal, _)| quote!(#literal)));
    let retry = settings.retry.as_ref().map(|(_, retry)| {
        let attempts = option(&private, retry.attempts.as_ref().map(|attempts| quote!(#attempts)));
        let backoff = option(&private, retry.backoff.as_ref().map(|backoff| quote!(#backoff)));
        let topics = retry.topics.iter().flat_map(|(_, topics)| topics);
        quote!(#private::RetryDef { attempts: #attempts, backoff: #backoff, topics: &[#(#topics),*] })
    });
    let retry = option(&private, retry);
    let topics = publishers.iter().map(|publisher| &publisher.topic);
    let call = call(&private, function, arguments, publishers);
    let requires = requires(&private, arguments);
    // The imports of attributes that were taken off are used all the same.
    let imports = attributes.iter().map(Attribute::path);
    quote! {
        #(#carried)*
        const _: () = {
            #(use #imports as _;)*
            #private::submit! {
                #private::SubscriberDef {
                    name: #name,
                    module: ::core::module_path!(),
                    package: ::core::env!("CARGO_PKG_NAME"),
                    file: ::core::file!(),
                    line: ::core::line!(),
                    doc: #doc,
                    source: #source,
                    group: #group,
                    broker: #broker,
                    ack: #ack,
                    retry: #retry,
                    on_error: #on_error,
                    dead_letter: #dead_letter,
                    on_decode_error: #on_decode_error,
                    order: #order,
                    concurrency: #concurrency,
                    commit: #commit,
                    start: #start,
                    timeout: #timeout,
                    drain: #drain,
                    enabled: #enabled,
                    publishers: &[#(#private::PublisherDef { topic: #topics }),*],
                    call: #call,
                    requires: #requires,
                }
            }
        };
    }
}

/// Returns the identifier of a generated variable, which errors show at `at`.
fn hidden(name: &str, at: Span) -> Ident {
    Ident::new(&format!("__faststream_{name}"), at)
}

/// Prints an `Option`, by its full path: the user may have shadowed `Some`.
fn option(private: &Tokens, value: Option<Tokens>) -> Tokens {
    value.map_or_else(|| quote!(#private::None), |value| quote!(#private::Some(#value)))
}

/// Prints a value of a closed set, with its errors at the name that the user wrote.
fn quote_spanned_choice(choice: &Choice, private: &Tokens) -> Tokens {
    let tokens = choice.tokens(private);
    quote_spanned!(span(choice.path())=> #tokens)
}

/// Prints the topics or the pattern.
///
/// # Panics
/// If the attribute named neither: `expand` has reported that, and does not come here.
fn source(settings: &Settings, private: &Tokens) -> Tokens {
    match &settings.source {
        Some(Source::Topics(topics)) => quote!(#private::SourceDef::Topics(&[#(#topics),*])),
        Some(Source::Pattern(pattern)) => quote!(#private::SourceDef::Pattern(#pattern)),
        None => unreachable!("a missing source is an error"),
    }
}

/// Returns the same path, with its errors at `at`.
fn located(path: &Tokens, at: Span) -> Tokens {
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
fn tag(private: &Tokens, argument: &Argument<'_>) -> Tokens {
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
fn call(
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

/// Prints the closure that reports what the arguments need of the app, such as a state of a type. The startup
/// calls it before anything connects, so a missing state is a fault of the startup and not of the first record.
fn requires(private: &Tokens, arguments: &[Argument<'_>]) -> Tokens {
    let requirements = hidden("requirements", Span::call_site());
    let each = arguments.iter().map(|argument| {
        let (ty, attributes, tag) = (argument.ty, &argument.attributes, tag(private, argument));
        let private = located(private, span(ty));
        quote_spanned!(span(ty)=> #(#attributes)* #private::Requires::__faststream_requires(#tag, #requirements);)
    });
    let tags = (!arguments.is_empty()).then(|| quote!(use #private::tags::*;));
    quote! {
        |#requirements: &mut #private::Requirements| {
            #tags
            let _ = &#requirements;
            #(#each)*
        }
    }
}
/// Returns the doc comment without indentation, which describes the handler in the app's reports.
fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(pair) if attr.path().is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

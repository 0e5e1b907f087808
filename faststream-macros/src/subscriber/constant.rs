//! The constant beside the function: its settings as they were written, and how it is called.
//!
//! Its own names begin with `__faststream`, so that they meet none of the user's. What may be wrong with an argument, a
//! result or a key stands at the tokens that the user wrote for it.

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

/// A generated local, shown where the user wrote what it stands for.
fn hidden(name: &str, at: Span) -> Ident {
    Ident::new(&format!("__faststream_{name}"), at)
}

fn option(private: &Tokens, value: Option<Tokens>) -> Tokens {
    value.map_or_else(|| quote!(#private::None), |value| quote!(#private::Some(#value)))
}

fn quote_spanned_choice(choice: &Choice, private: &Tokens) -> Tokens {
    let tokens = choice.tokens(private);
    quote_spanned!(span(choice.path())=> #tokens)
}

fn source(settings: &Settings, private: &Tokens) -> Tokens {
    match &settings.source {
        Some(Source::Topics(topics)) => quote!(#private::SourceDef::Topics(&[#(#topics),*])),
        Some(Source::Pattern(pattern)) => quote!(#private::SourceDef::Pattern(#pattern)),
        None => unreachable!("a missing source is an error"),
    }
}

/// The same path, shown where the user wrote what it is needed for.
fn located(path: &Tokens, at: Span) -> Tokens {
    path.clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(at);
            token
        })
        .collect()
}

/// What an argument is: an extractor, a payload, or neither.
fn tag(private: &Tokens, argument: &Argument<'_>) -> Tokens {
    let ty = argument.ty;
    let private = located(private, span(ty));
    quote_spanned!(span(ty)=> (&&&&&#private::Probe::<#ty>::new()).__faststream_tag())
}

/// The arguments are read off the borrowed delivery before the closure returns; the call owns them.
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

/// By the most specific of what is returned, through autoref: `Result`, then `Option` or `Vec`, then any value.
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
/// The doc comment, without indentation.
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

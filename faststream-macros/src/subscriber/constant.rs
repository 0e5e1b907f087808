//! The constant beside the function: its settings as they were written, and how it is called.

use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Expr, Lit, LitStr, Meta, ReturnType, Type};

use super::Publisher;
use super::settings::{Settings, Source};
use crate::item::Function;
use crate::list::{Choice, span};

pub(super) fn generate(
    settings: &Settings,
    function: &Function,
    types: &[&Type],
    publishers: &[Publisher],
) -> Tokens {
    let private = settings.private();
    let cfgs = function.cfgs();
    let (name, name_text) = (&function.sig.ident, function.sig.ident.to_string());
    let doc = doc(&function.attrs);
    let source = source(settings, &private);
    let text = |text: Option<&LitStr>| option(&private, text.map(|text| quote!(#text)));
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
    let call = call(&private, function, types, publishers);
    let requires = requires(&private, types);
    let _ = name;
    quote! {
        #(#cfgs)*
        const _: () = {
            #private::submit! {
                #private::SubscriberDef {
                    name: #name_text,
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

/// Generated locals: they can't clash with the user's.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
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

/// The arguments are read off the borrowed delivery before the closure returns; the call owns them.
fn call(private: &Tokens, function: &Function, types: &[&Type], publishers: &[Publisher]) -> Tokens {
    let name = &function.sig.ident;
    let (delivery, slot, returned) = (hidden("delivery"), hidden("slot"), hidden("returned"));
    let (plain, topics) = (hidden("plain"), hidden("topics"));
    let arguments: Vec<_> =
        (0..types.len()).map(|index| format_ident!("argument{index}", span = Span::mixed_site())).collect();
    let extract = types.iter().zip(&arguments).map(|(ty, argument)| {
        // The same variable, shown at the argument's type.
        let slot = Ident::new("slot", Span::mixed_site().located_at(span(ty)));
        quote_spanned! {span(ty)=>
            let #slot = (&#private::Probe::<#ty>::new()).tag().take(#slot);
            let #argument = match #private::Extract::<#ty>::extract((&#private::Probe::<#ty>::new()).tag(), #delivery) {
                #private::Ok(read) => read,
                #private::Err(rejection) => return #private::rejected(rejection),
            };
        }
    });
    let calling = quote_spanned!(name.span()=> #name(#(#arguments),*));
    let calling = if function.sig.asyncness.is_some() {
        quote_spanned!(name.span()=> #private::require_send(#calling).await)
    } else {
        quote_spanned! {name.span()=>
            match #private::blocking(#plain, move || #calling).await {
                #private::Ok(#returned) => #returned,
                #private::Err(outcome) => return outcome,
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
    let at = Span::mixed_site().located_at(at);
    let value = Ident::new("returned", at);
    let settle = if publishers.is_empty() {
        quote_spanned!(at=> #private::outcome(#value))
    } else {
        publish(private, &value, at, publishers)
    };
    let topics =
        (!publishers.is_empty()).then(|| quote!(let #topics = #private::publisher_topics(#delivery);));
    quote! {
        |#delivery: &#private::Delivery<'_>| {
            #[allow(unused_imports)]
            use #private::{ExtractorTag as _, PayloadTag as _};
            let #slot = #private::Free;
            #(#extract)*
            let _ = #slot;
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
fn publish(private: &Tokens, returned: &Ident, at: Span, publishers: &[Publisher]) -> Tokens {
    let (values, topics, copies) = (hidden("values"), hidden("topics"), hidden("copies"));
    let value = Ident::new("value", at);
    let keys = publishers.iter().map(|publisher| match &publisher.key {
        None => quote!(#private::None),
        Some(key) => {
            let key = key_at(key);
            quote_spanned!(span(&publisher.key)=> #private::key_of(&#value, #key))
        }
    });
    let each = Ident::new("each", at);
    quote_spanned! {at=> {
        #[allow(unused_imports)]
        use #private::{OptionTag as _, PlainTag as _, ResultTag as _, ValueTag as _, VecTag as _};
        let #values = match (&#returned).split_tag().split(#returned) {
            #private::Ok(#each) => (&#each).values_tag().values(#each),
            #private::Err(outcome) => return outcome,
        };
        let mut #copies = #private::Vec::new();
        for #value in #values {
            let keys = [#(#keys),*];
            if let #private::Err(outcome) = #private::encode(#value, &#topics, keys, &mut #copies) {
                return outcome;
            }
        }
        #private::published(#copies)
    }}
}

fn key_at(key: &Expr) -> Tokens {
    quote!(#key)
}

fn requires(private: &Tokens, types: &[&Type]) -> Tokens {
    let requirements = hidden("requirements");
    let each = types.iter().map(|ty| {
        quote_spanned!(span(ty)=> (&#private::Probe::<#ty>::new()).tag().requires::<#ty>(#requirements);)
    });
    quote! {
        |#requirements: &mut #private::Requirements| {
            #[allow(unused_imports)]
            use #private::{ExtractorTag as _, PayloadTag as _};
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

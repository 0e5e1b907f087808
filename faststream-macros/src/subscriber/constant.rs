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
use syn::{Attribute, Expr, Lit, Meta};

use super::call::{call, located, tag};
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
pub(super) fn hidden(name: &str, at: Span) -> Ident {
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

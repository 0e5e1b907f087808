//! Finds settings that contradict each other, as far as the attribute shows.
//!
//! A setting that is left out may get a value from the app, and one that is a constant has a value that is unknown
//! here. Such combinations are checked at startup, by `faststream-core/src/app/checks.rs`, with the final values.
//!
//! | combination | why |
//! | --- | --- |
//! | `retry`, `on_error`, `dead_letter` with an `ack` that finishes every record | they would have no effect |
//! | `on_error` other than `DeadLetter` with `dead_letter` | two answers to one question |
//! | `concurrency` above 1 in partition order | a partition's records are handled one after another |
//! | retry topics with `order = Key` | a later record of the key would overtake |
//! | retry topics with `pattern` | they are created before its topics are known |
//! | an `Ack` argument without `ack = Manual`, and the reverse | nobody, or two, would finish the record |

use crate::errors::Errors;

use super::settings::{Settings, Source};

/// Reports each contradiction at the key that has to change, with both ways to resolve it. `takes_ack` is the type
/// of an argument named `Ack`, if there is one.
///
/// A constant (`ack = MY_POLICY`) has no name here, so no rule applies to it.
pub(super) fn check(settings: &Settings, takes_ack: Option<&syn::Type>, errors: &mut Errors) {
    let named = settings.ack.as_ref().map(|(_, ack)| ack);
    let known = named.is_none_or(|ack| ack.name().is_some());
    let policy = named.and_then(|ack| ack.name()).unwrap_or("NackOnError");
    let said = settings.ack.is_some();
    // Without `ack`, the app's default may be another: checked at start.
    if said && known {
        let retries = matches!(policy, "NackOnError" | "Manual");
        if let Some((key, _)) = settings.retry.as_ref().filter(|_| !retries) {
            errors.at(key, format!("`ack = {policy}` never retries: remove `retry`, or use `NackOnError`"));
        }
        let gives_up = retries || policy == "RejectOnError";
        for (key, _) in
            [&settings.on_error, &settings.on_decode_error].into_iter().flatten().filter(|_| !gives_up)
        {
            let message =
                format!("`ack = {policy}` finishes whatever comes: remove `{key}`, or use `NackOnError`");
            errors.at(key, message);
        }
        if let Some((key, _)) = settings.dead_letter.as_ref().filter(|_| !gives_up) {
            errors.at(
                key,
                format!("`ack = {policy}` gives nothing up: remove `dead_letter`, or use `NackOnError`"),
            );
        }
    }
    if let (Some((key, on_error)), Some(_)) = (&settings.on_error, &settings.dead_letter)
        && on_error.name().is_some_and(|name| name != "DeadLetter")
    {
        errors.at(key, "`dead_letter` means `on_error = DeadLetter`: remove one of the two");
    }
    if let Some((key, _, number)) = &settings.concurrency
        && *number > 1
        && settings.order.as_ref().is_none_or(|(_, order)| order.is("Partition"))
    {
        errors.at(
            key,
            "`concurrency` above 1 needs `order = Key` (records of one key in order) or `order = None`",
        );
    }
    if let Some((key, _)) = settings.retry.as_ref().and_then(|(_, retry)| retry.topics.as_ref()) {
        if settings.order.as_ref().is_some_and(|(_, order)| order.is("Key")) {
            errors.at(
                key,
                "a record that goes on in a retry topic is overtaken by the next one of its key: remove `order = Key`, or \
                 `topics` and have retries in place",
            );
        }
        if matches!(settings.source, Some(Source::Pattern(_))) {
            errors.at(
                key,
                "retry topics are made at start, when the topics of a `pattern` are not known: name them by `topics`, or \
                 have retries in place",
            );
        }
    }
    match (takes_ack, &settings.ack) {
        (Some(argument), Some((_, ack))) if ack.name().is_some_and(|name| name != "Manual") => {
            errors.at(argument, "an `Ack` settles by hand: write `ack = Manual`, or remove the argument");
        }
        (Some(argument), None) => {
            errors.at(argument, "an `Ack` settles by hand: write `ack = Manual` in `#[subscriber(...)]`");
        }
        (None, Some((key, ack))) if ack.is("Manual") => {
            errors.at(key, "with `ack = Manual` the handler settles: take an argument `ack: Ack`");
        }
        _ => {}
    }
}

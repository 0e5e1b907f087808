//! Checks that the app has each state that a handler takes, and suggests a similar one otherwise.

use std::collections::BTreeSet;

use super::StartupFault;
use super::builder::StateEntry;
use crate::delivery::Requirements;
use crate::subscriber::SubscriberDef;

/// Adds a fault for each handler that takes a state which the app does not have.
pub(super) fn check(
    enabled: &[(&'static SubscriberDef, Option<String>)],
    given: &[StateEntry],
    faults: &mut Vec<StartupFault>,
) {
    for (def, _) in enabled {
        let mut requirements = Requirements::default();
        (def.requires)(&mut requirements);
        let mut told = BTreeSet::new();
        for (type_id, name) in requirements.states() {
            if given.iter().any(|entry| entry.type_id == *type_id) || !told.insert(*type_id) {
                continue;
            }
            let meant = given.iter().find_map(|entry| meant(name, entry.type_name));
            let cure = meant.unwrap_or_else(|| "add `.state(...)` or `.state_with(...)` with one".to_owned());
            let message = format!("takes a state of type `{name}`, which the app does not have: {cure}");
            faults.push(StartupFault::of_handler(def, message));
        }
    }
}

/// Returns a suggestion if `given` may be what `asked` means: one of them wraps the other, or they have the same name.
fn meant(asked: &str, given: &str) -> Option<String> {
    let (short_asked, short_given) = (short(asked), short(given));
    if given == format!("alloc::sync::Arc<{asked}>") {
        return Some(format!(
            "there is an `{short_given}`: give the `{short_asked}` itself, `State<T>` is shared already"
        ));
    }
    if asked == format!("alloc::sync::Arc<{given}>") {
        return Some(format!(
            "there is a `{short_given}`: take `State<{short_given}>`, which is an `Arc` of it already"
        ));
    }
    if wraps(given, asked) {
        return Some(format!(
            "there is a `{short_given}`: give the `{short_asked}` in it, or take `State<{short_given}>`"
        ));
    }
    if wraps(asked, given) {
        return Some(format!(
            "there is a `{short_given}`: take `State<{short_given}>`, or give a `{short_asked}`"
        ));
    }
    (short_asked == short_given).then(|| {
        format!("there is a `{given}`, which is another type of that name: give and take the same one")
    })
}

/// Returns whether `outer` holds `inner` as an argument of its type, or refers to it.
fn wraps(outer: &str, inner: &str) -> bool {
    outer.match_indices(inner).any(|(at, _)| {
        let before = outer[..at].chars().next_back();
        let after = outer[at + inner.len()..].chars().next();
        matches!(before, Some('<' | ' ' | '&' | '(' | '['))
            && matches!(after, None | Some('>' | ',' | ')' | ']' | ';'))
    })
}

/// Returns the names of types without their paths: `Arc<Db>`.
fn short(name: &str) -> String {
    let mut short = String::new();
    for part in
        name.split_inclusive(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':')
    {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

#[cfg(test)]
mod tests {
    use std::any::type_name;
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Db;

    mod other {
        pub(super) struct Db;
    }

    fn told<Asked, Given>() -> String {
        meant(type_name::<Asked>(), type_name::<Given>()).unwrap_or_default()
    }

    #[test]
    fn an_arc_of_what_is_asked_for_is_told_apart_from_nothing() {
        assert_eq!(
            told::<Db, Arc<Db>>(),
            "there is an `Arc<Db>`: give the `Db` itself, `State<T>` is shared already"
        );
        assert_eq!(
            told::<Arc<Db>, Db>(),
            "there is a `Db`: take `State<Db>`, which is an `Arc` of it already"
        );
    }

    #[test]
    fn other_wrappers_and_types_of_the_same_name_are_named() {
        assert!(told::<Db, Option<Db>>().starts_with("there is a `Option<Db>`: give the `Db` in it"));
        assert!(told::<Db, Result<Db, String>>().contains("`Result<Db, String>`"));
        assert!(told::<Db, Arc<Mutex<Db>>>().contains("take `State<Arc<Mutex<Db>>>`"));
        assert!(told::<Mutex<Db>, Db>().contains("give a `Mutex<Db>`"));
        assert!(told::<Db, &'static Db>().contains("`&Db`"));
        assert!(
            told::<Db, other::Db>().contains("needs::tests::other::Db`, which is another type of that name")
        );
        assert_eq!(told::<Db, Vec<other::Db>>(), "");
        assert_eq!(told::<Db, u64>(), "");
    }
}

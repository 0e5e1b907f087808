//! A seed that breaks a promise: runs it again with its timeline, and reports it so that one can replay it.
//!
//! A run whose handler panics is no failure: handlers may panic, and the runtime handles that. A run whose check
//! panics is one. Both print nothing while a seed runs.

use std::cell::RefCell;
use std::sync::{Arc, Once};

use super::checker::Checker;
use super::fleet::Factory;
use super::promise::{Promise, Violation};
use super::random::is_running;
use super::run::{Finished, run};
use super::scenario::Scenario;
use crate::log::caught;

thread_local! {
    /// The text of the last panic on this thread, and its place in the user's code.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a seed.
///
/// # Errors
/// The promise that it breaks, with the checker of the run. A panic of a check counts as `Promise::OwnCheck`,
/// unless a promise was broken before: the check then noticed the same.
pub(super) fn attempt(
    seed: u64,
    factory: &Factory<'_>,
    scenario: &Scenario,
    keep_timeline: bool,
) -> Result<Finished, (Violation, Arc<Checker>)> {
    silence_panics();
    let mut watched = None;
    let ran = caught(|| run(seed, factory, scenario, |checker| watched = Some(checker), keep_timeline));
    if let Ok(finished) = ran {
        let violation = finished.checker.model().violation.clone();
        return match violation {
            None => Ok(finished),
            Some(violation) => Err((violation, finished.checker)),
        };
    }
    let message = LAST_PANIC.with_borrow(Clone::clone);
    let checker = watched.unwrap_or_else(|| Arc::new(Checker::new(false)));
    let mut model = checker.model();
    // If a promise was broken before, the check only noticed the same.
    model.violated(Promise::OwnCheck, message.clone());
    let violation = model.violation.clone();
    drop(model);
    Err((violation.unwrap_or(Violation { promise: Promise::OwnCheck, message }), checker))
}

/// Returns the report of a failing seed: the promise, what happened, and how to see it again.
///
/// It runs the seed a second time, because the first run kept no timeline. If that run breaks nothing, or
/// something else, the report mentions that the handlers do not repeat. `all` shows the whole timeline; `name` is
/// the test.
pub(super) fn tell(
    seed: u64,
    found: &Violation,
    factory: &Factory<'_>,
    scenario: &Scenario,
    name: &str,
    all: bool,
) -> String {
    let replayed = attempt(seed, factory, scenario, true);
    let (again, timeline) = match &replayed {
        Ok(finished) => {
            let timeline = finished.checker.model().timeline.show(all);
            ("\nreplayed, it breaks nothing: something in the handlers does not repeat", timeline)
        }
        Err((violation, checker)) => {
            let timeline = checker.model().timeline.show(all);
            let same = violation.message == found.message;
            (
                if same {
                    ""
                } else {
                    "\nreplayed, it breaks otherwise: something in the handlers does not repeat"
                },
                timeline,
            )
        }
    };
    format!(
        "seed {seed} breaks {found}{again}\nwhat happened, in virtual seconds:\n{timeline}replay it: \
         FASTSTREAM_SEED={seed} cargo test {name}, or simulate({seed}..={seed}, ..)"
    )
}

/// Installs a panic hook that stores the panics of simulated code instead of printing them: handlers may panic on
/// purpose, thousands of times. Panics of other threads are printed as before.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_running() {
                return before(panic);
            }
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let text = text.unwrap_or("a panic without a text");
            // A line of this library helps nobody.
            let own = panic.location().filter(|place| !is_ours(place.file()));
            let place = own.map_or_else(String::new, |place| format!(" ({place})"));
            LAST_PANIC.set(format!("{text}{place}"));
        }));
    });
}

/// Returns whether a file is one of this library, so that a place in it is left out of the report.
fn is_ours(file: &str) -> bool {
    let here = file!();
    let sources =
        here.strip_suffix("failure.rs").and_then(|dir| dir.get(..dir.len() - "testing/simulate/".len()));
    sources.is_some_and(|sources| file.starts_with(sources))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_library_are_told_from_those_of_a_service() {
        assert!(is_ours(file!()));
        assert!(is_ours(&file!().replace("testing/simulate/failure.rs", "testing/published.rs")));
        assert!(!is_ours("src/billing.rs") && !is_ours("tests/cases/harness.rs"));
    }
}

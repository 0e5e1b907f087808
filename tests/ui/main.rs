//! What wrong programs are told: at the user's own token, with the fix in the sentence, and briefly.
//!
//! Compiled without the Kafka backend, by one pinned toolchain: `cargo test -p faststream --no-default-features --features testing
//! --test ui`. With the backend it would be built once more for nothing, so a plain `cargo test` only counts the lines.

mod nothing_registered;

use std::fs;
use std::path::PathBuf;

#[cfg(not(feature = "kafka"))]
#[test]
fn wrong_programs_are_told_what_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/ui/programs/*.rs");
}

/// No more than 15 lines a mistake. Where the compiler shows the bound of ours that is not met, 20.
#[test]
fn what_they_are_told_is_brief() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ui/programs");
    let mut programs = 0;
    for entry in fs::read_dir(dir).expect("the wrong programs") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "stderr") {
            continue;
        }
        programs += 1;
        let told = fs::read_to_string(&path).expect("what it is told");
        let mistakes = told.lines().filter(|line| line.starts_with("error")).count();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let shows_bound = told.contains("note: required by a bound");
        let most = if shows_bound { 20 } else { 15 * mistakes };
        let lines = told.trim_end().lines().count();
        assert!(mistakes > 0 && lines <= most, "{name}: {lines} lines for {mistakes} mistakes");
    }
    assert!(programs >= 30, "only {programs} wrong programs");
}

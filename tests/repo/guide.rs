//! The guide only claims what a test shows: every test that it names exists, and no case is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TABLES: &str = include_str!("../../src/guide/failures.md");

/// The names of all functions in this project's tests and sources.
fn functions(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).expect("a directory of the project") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                functions(&path, names);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            for line in text.lines().map(str::trim_start) {
                let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
                let name = ["fn ", "async fn ", "mod "].iter().find_map(|start| line.strip_prefix(start));
                let name = name.and_then(|rest| rest.split(['(', ' ', '<', ';']).next());
                names.extend(name.map(ToOwned::to_owned));
            }
        }
    }
}

/// Without what rustfmt decides.
fn bare(code: &str) -> String {
    code.split_whitespace().collect::<String>().replace(",}", "}")
}

#[test]
fn the_code_that_is_shown_is_the_examples() {
    let example = bare(include_str!("../../examples/orders.rs"));
    let texts = [include_str!("../../README.md"), include_str!("../../src/guide/testing.md")];
    let blocks = texts.iter().flat_map(|text| text.split("```rust,ignore\n").skip(1));
    let items: Vec<&str> =
        blocks.filter_map(|block| block.split("```").next()).flat_map(|block| block.split("\n\n")).collect();
    assert!(items.len() > 6, "only {} items are shown", items.len());
    for item in items {
        assert!(example.contains(&bare(item)), "examples/orders.rs has no\n{item}");
    }
}

fn rows() -> Vec<Vec<&'static str>> {
    let rows = TABLES.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn every_test_that_the_guide_names_exists() {
    let mut known = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["tests", "faststream-core", "faststream-kafka"] {
        functions(&root.join(part), &mut known);
    }
    let mutations = fs::read_dir(root.join("tests/simulation/mutations")).expect("the mutations");
    let mutations = mutations.map(|entry| entry.expect("an entry").path());
    known.extend(mutations.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())));
    let last = rows().into_iter().filter_map(|row| row.last().copied());
    let named: Vec<&str> = last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 100, "only {} tests are named", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "the guide names tests that do not exist: {missing:?}");
}

#[test]
fn each_of_the_94_cases_has_a_test_or_says_why_not() {
    let cases: Vec<_> = rows().into_iter().filter(|row| row[0].parse::<u32>().is_ok()).collect();
    let numbers: Vec<u32> = cases.iter().map(|row| row[0].parse().expect("a number")).collect();
    assert_eq!(numbers, (1..=94).collect::<Vec<_>>());
    for case in cases {
        assert_eq!(case.len(), 6, "case {}", case[0]);
        assert!(
            case[5].starts_with('`') || case[5].starts_with("no test: "),
            "case {}: {}",
            case[0],
            case[5]
        );
    }
}

/// A page that names files is right only until they are moved.
#[test]
fn every_file_that_the_page_for_contributors_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words = include_str!("../../CONTRIBUTING.md").split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        let is_folder = ["tests/", "src/", "faststream-"].iter().any(|start| word.starts_with(start));
        is_folder && word.contains('/') && !word.contains(['*', ' ']) && *word != "src/native"
    };
    let named: Vec<&str> = words.filter(is_path).collect();
    assert!(named.len() > 30, "only {} files are named", named.len());
    let missing: Vec<_> = named.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names files that do not exist: {missing:?}");
}

//! The house's own rule: a file is read within a minute, so it is short.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file, its tests not counted.
const LONGEST: usize = 400;

/// All files of Rust below a directory; those of tests alone are left out.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory of the project") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Where a file's own tests begin.
fn is_tests(line: &str) -> bool {
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test")
}

/// A panic of whoever writes the log would end the task that logs, or the process through a callback of the client library.
#[test]
fn every_log_line_goes_through_the_guard_of_core() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for part in ["src", "faststream-core/src", "faststream-macros/src", "faststream-kafka/src"] {
        sources(&root.join(part), &mut found);
    }
    found.retain(|path| !path.ends_with("faststream-core/src/log/lines.rs"));
    let bare = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a source file");
        let product = text.lines().take_while(|line| !is_tests(line));
        let code = product.map(str::trim_start).filter(|line| !line.starts_with("//"));
        let bare =
            |line: &str| ["use tracing::", "println!(", "eprint!("].iter().any(|word| line.contains(word));
        code.map(ToOwned::to_owned).filter(|line| bare(line)).collect::<Vec<_>>()
    };
    let bare: Vec<_> =
        found.iter().flat_map(|path| bare(path).into_iter().map(move |line| (path, line))).collect();
    assert!(bare.is_empty(), "write `faststream_core::log::warn!`: {bare:?}");
}

#[test]
fn no_source_file_is_longer_than_400_lines_without_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for part in ["src", "faststream-core", "faststream-macros", "faststream-kafka", "examples", "benches"] {
        sources(&root.join(part), &mut found);
    }
    assert!(found.len() > 100, "only {} files were found", found.len());
    let lines = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a source file");
        text.lines().take_while(|line| !is_tests(line)).count()
    };
    let long: Vec<_> =
        found.iter().filter(|path| lines(path) > LONGEST).map(|path| (path, lines(path))).collect();
    assert!(long.is_empty(), "split them by their concepts: {long:?}");
}

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
        text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    };
    let long: Vec<_> =
        found.iter().filter(|path| lines(path) > LONGEST).map(|path| (path, lines(path))).collect();
    assert!(long.is_empty(), "split them by their concepts: {long:?}");
}

//! The examples as binaries, built as they are now.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Where the binary is. A plain `cargo test` builds the examples as tests only, so it is built at the first call; that
/// costs nothing if nothing has changed.
pub(crate) fn example(name: &'static str) -> PathBuf {
    static BINARIES: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut binaries = BINARIES.lock().unwrap_or_else(PoisonError::into_inner);
    binaries.entry(name).or_insert_with(|| build(name)).clone()
}

fn build(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this binary has a path");
    let profile = test.ancestors().nth(2).expect("it lies in target/profile/deps");
    let target = profile.parent().expect("it lies in target/profile/deps");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--example", name, "--target-dir"]).arg(target);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "building the example: {}", String::from_utf8_lossy(&output.stderr));
    profile.join("examples").join(name)
}

//! The programs that tests start as processes, built from the sources as they are now.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Returns the binary of an example of `examples/`.
#[allow(dead_code, reason = "not every suite starts one")]
pub(crate) fn example(name: &'static str) -> PathBuf {
    binary(name, &["--example", name], "examples")
}

/// Returns the binary of a service of `tests/services/`.
///
/// An example is built along with it: then the dev-dependencies of the workspace count, and the libraries below it are those
/// that the tests were built with.
#[allow(dead_code, reason = "not every suite starts one")]
pub(crate) fn service(name: &'static str) -> PathBuf {
    binary(name, &["--workspace", "--example", "orders", "--bin", name], "")
}

/// A plain `cargo test` builds neither, so each is built at its first use. That costs nothing if nothing has changed.
fn binary(name: &'static str, target: &[&str], folder: &str) -> PathBuf {
    static BINARIES: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut binaries = BINARIES.lock().unwrap_or_else(PoisonError::into_inner);
    binaries.entry(name).or_insert_with(|| build(target).join(folder).join(name)).clone()
}

/// Builds it beside the test that runs, and returns the folder of the profile.
fn build(target: &[&str]) -> PathBuf {
    let test = std::env::current_exe().expect("this binary has a path");
    let profile = test.ancestors().nth(2).expect("it lies in target/profile/deps");
    let directory = profile.parent().expect("it lies in target/profile/deps");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet"]).args(target).arg("--target-dir").arg(directory);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "building {target:?}: {}", String::from_utf8_lossy(&output.stderr));
    profile.to_owned()
}

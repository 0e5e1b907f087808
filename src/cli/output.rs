//! Lines on standard output, where a reader that went away ends the process quietly, as other tools do; and why the process
//! ends, on standard error.

use std::fmt;
use std::io::Write;

pub(super) fn line(text: impl fmt::Display) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// On standard error, because logs may be off.
pub(crate) fn tell_end(sentences: &[String]) {
    for sentence in sentences {
        eprintln!("{sentence}");
    }
}

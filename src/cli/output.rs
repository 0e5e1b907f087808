//! Lines on standard output. A reader that went away ends the process quietly, as other tools do.

use std::fmt;
use std::io::Write;

pub(super) fn line(text: impl fmt::Display) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

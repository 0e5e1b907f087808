//! Lines on standard output and on standard error. Whoever reads them may go away, and a disk may be full: that ends nothing.

use std::fmt;
use std::io::{Write, stderr, stdout};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What the last words of a process may take: nobody may be reading.
const LAST: Duration = Duration::from_millis(200);

/// Prints a line on standard output.
pub(super) fn line(text: impl fmt::Display) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints why the process ends, on standard error, because logs may be off.
pub(crate) fn print_end(messages: &[String]) {
    for message in messages {
        let _ = writeln!(stderr(), "{message}");
    }
}

/// Says something on a thread of its own, and waits for it only for a moment: the process is about to end, and may not hang at a
/// pipe that is full.
pub(crate) fn last_words(say: impl FnOnce() + Send + 'static) {
    let (done, said) = channel::<()>();
    let say = move || {
        say();
        drop(done);
    };
    if thread::Builder::new().name("fs-last-words".into()).spawn(say).is_ok() {
        let _ = said.recv_timeout(LAST);
    }
}

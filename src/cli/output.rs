//! Writes lines to standard output and standard error. A reader may go away, and a disk may be full: that ends
//! nothing, unlike `println!`, which panics.

use std::fmt;
use std::io::{Write, stderr, stdout};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How long the last lines of a process may take: a full pipe that nobody reads would block them.
const LAST: Duration = Duration::from_millis(200);

/// Prints a line on standard output, and flushes it: the reader may be a program that reacts to it.
pub(super) fn line(text: impl fmt::Display) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints why the process ends on standard error, and not as a log line, because logs may be off.
pub(crate) fn print_end(messages: &[String]) {
    for message in messages {
        let _ = writeln!(stderr(), "{message}");
    }
}

/// Runs `say` on a thread of its own, and waits for it for at most 200 ms: the process is about to end, and must
/// not hang.
///
/// Without a thread, the words are lost; the exit code still tells what happened.
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

//! What is logged on the test's thread.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The lines that were logged since it was made.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Keeps what is logged on this thread, until the guard is dropped.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let logs = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
        (lines, tracing::subscriber::set_default(logs))
    }

    pub(crate) fn all(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("text").lines().map(ToOwned::to_owned).collect()
    }

    pub(crate) fn last(&self) -> String {
        self.all().pop().expect("a line")
    }

    /// Those with all of these words.
    pub(crate) fn with(&self, words: &[&str]) -> Vec<String> {
        self.all().into_iter().filter(|line| words.iter().all(|word| line.contains(word))).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

//! A program of ours as a process of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::target;
use crate::process::{cpu_of, memory_of, peak_of};
use crate::program::{example, service};

/// Killed, by its own handle, when dropped.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts the orders example against this broker; its log goes to a file of this name.
    pub(crate) fn start(brokers: &str, log: &str, properties: &[&str]) -> Self {
        Self::start_example("orders", brokers, log, properties, &[])
    }

    /// Starts an example with these variables.
    pub(crate) fn start_example(
        name: &'static str,
        brokers: &str,
        log: &str,
        properties: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::start_program(example(name), brokers, log, properties, variables)
    }

    /// Starts a service of `tests/services/` with these variables.
    pub(crate) fn start_service(
        name: &'static str,
        brokers: &str,
        log: &str,
        properties: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::start_program(service(name), brokers, log, properties, variables)
    }

    fn start_program(
        program: PathBuf,
        brokers: &str,
        log: &str,
        properties: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(program);
        for property in properties {
            command.args(["-X", property]);
        }
        command.env("KAFKA_BROKERS", brokers).env_remove("RUST_LOG").envs(variables.iter().copied());
        Self::spawn(command, log)
    }

    /// Starts any program.
    pub(crate) fn spawn(mut command: Command, log: &str) -> Self {
        let dir = target().join("kafka");
        std::fs::create_dir_all(&dir).expect("a directory for logs");
        let log = dir.join(format!("{log}-{}.log", std::process::id()));
        let stderr = File::options().append(true).create(true).open(&log).expect("its log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the program runs");
        Self { child, log }
    }

    /// What it has logged up to now.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    /// Waits until it has logged a line with all of these.
    pub(crate) fn logs(&self, limit: Duration, words: &[&str]) {
        let is_there = || self.log().lines().any(|line| words.iter().all(|word| line.contains(word)));
        let until = Instant::now() + limit;
        while !is_there() {
            assert!(Instant::now() < until, "no line with {words:?} within {limit:?} in:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// SIGTERM, and what it exits with.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.stop()
    }

    /// The same, and its log can be read afterwards.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.ends()
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }

    /// Waits until it has ended.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        memory_of(&self.child.id().to_string())
    }

    /// The most that was resident, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        peak_of(&self.child.id().to_string())
    }

    /// It does not try again and again in a hot loop: of so much time it uses no more than this part.
    pub(crate) fn is_at_rest(&self, what: &str, time: Duration, percent: u32) {
        let (began, before) = (Instant::now(), self.cpu());
        // Nothing to wait for: what is measured is that nothing happens.
        thread::sleep(time);
        let (took, used) = (began.elapsed(), self.cpu().saturating_sub(before));
        println!("{what}: {used:?} of CPU time in {took:?}");
        assert!(used < took * percent / 100, "{what}: no more than {percent} %: {used:?} in {took:?}");
    }

    /// CPU time that it has used.
    fn cpu(&self) -> Duration {
        cpu_of(&self.child.id().to_string())
    }

    /// SIGSTOP: not a line of it runs until it is thawed.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

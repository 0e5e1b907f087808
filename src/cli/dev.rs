//! `dev`: runs the app without Kafka, on an in-memory broker, and prints what each handler did.
//!
//! Everything but the broker is as in production: policies, retries with their real pauses, states and hooks.
//! Records come from `--send` or from lines of standard input. After each record it waits until everything that
//! follows from it is settled, and prints what handlers have published.
//!
//! ```text
//! $ cargo run -- dev --send 'orders={"id":1}'
//! orders/0 offset 0  bill: handled, 1 to publish
//! invoices/0 offset 0  published: {"order":1}
//! ```
//!
//! The exit code is 4 if a record was held or dead-lettered, so a script can tell whether its records were
//! handled.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use faststream_core::app::{Brokers, Exit, FastStream, LaunchOptions, Plan, StartOptions};
use faststream_core::context::{CallBegin, CallReport, Observer, Observers};
use faststream_core::log::bounded;
use faststream_core::memory::MemoryBroker;
use faststream_core::record::Outgoing;
use faststream_core::result::{Disposition, Outcome, Verdict};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use super::args::read_line;
use super::output::line;
use super::waiting::Waiting;

/// The exit code if a record of `--send`, or a line of a piped input, cannot be published. A wrong line at a
/// terminal has no consequence.
const WRONG_INPUT: u8 = 2;
/// After this time without an outcome, the reasons for the wait are printed.
const PATIENCE: Duration = Duration::from_secs(3);
/// The exit code if a record was held or dead-lettered.
const FAILED: u8 = 4;

/// Prints the outcome of each call. The app calls it as its observer, on the threads of the handlers.
#[derive(Default)]
struct Teller {
    /// Whether a record was held or dead-lettered.
    failed: AtomicBool,
    /// What is known of unfinished records. Locked for a moment at each call, and never while a line is printed.
    waiting: Mutex<Waiting>,
}

impl Observer for Teller {
    /// Records that a call begins.
    fn begins(&self, begin: &CallBegin<'_>) {
        self.waiting().begins(begin);
    }

    /// Records that a call has ended, and prints its outcome.
    fn called(&self, report: &CallReport<'_>) {
        self.waiting().called(report);
        let CallReport { handler, topic, partition, offset, attempt, .. } = report;
        let what = match report.outcome {
            Outcome::Verdict(Verdict::Ack) => "handled".to_owned(),
            Outcome::Verdict(verdict) => bounded(format!("decided {verdict:?}")),
            Outcome::Publish(copies) => format!("handled, {} to publish", copies.len()),
            Outcome::Failed(error) | Outcome::NotEncodable(error) => format!("failed: {}", error.message),
            Outcome::Rejected(rejection) => format!("could not read it: {rejection}"),
            other => bounded(format!("ended: {other:?}")),
        };
        let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
        line(format_args!("{topic}/{partition} offset {offset}  {handler}{again}: {what}"));
    }

    /// Records what became of a record, and prints it unless the line of its call has said so.
    fn settled(&self, handler: &str, topic: &str, partition: i32, offset: i64, disposition: Disposition) {
        self.waiting().settled(topic, partition, offset, disposition);
        if matches!(disposition, Disposition::Held | Disposition::DeadLettered) {
            self.failed.store(true, SeqCst);
        }
        if !matches!(disposition, Disposition::Acked | Disposition::Failed) {
            line(format_args!("{topic}/{partition} offset {offset}  {handler}: {disposition}"));
        }
    }
}

/// Runs the app until the records of `send` are settled, standard input ends, or `shutdown` resolves. At a
/// terminal, `send` is followed by lines of standard input.
///
/// Never fails: an app that cannot start is an exit with its messages. Records for a topic that no handler reads
/// are refused before the app starts.
pub(crate) async fn dev(
    app: FastStream,
    setting: LaunchOptions,
    send: Vec<Outgoing>,
    shutdown: impl Future<Output = ()>,
) -> Exit {
    let broker = MemoryBroker::new();
    let setting = LaunchOptions { brokers: Brokers::Shared(Arc::new(broker.clone())), ..setting };
    let plan = match app.plan(setting) {
        Ok(plan) => plan,
        Err(faults) => return Exit::not_started(faults.to_string()),
    };
    if let Some(record) = send.iter().find(|record| !is_known(&plan, &record.topic)) {
        let mut exit = Exit::not_started(unknown(&plan, &record.topic));
        exit.code = WRONG_INPUT;
        return exit;
    }
    let teller = Arc::new(Teller::default());
    let observers = Observers::default().with(Arc::clone(&teller) as _);
    let options = StartOptions { observers, idle: broker.idle(), ..StartOptions::default() };
    let mut running = match plan.start(options).await {
        Ok(running) => running,
        Err(error) => return Exit::not_started(error.to_string()),
    };
    let mut session =
        Session { plan: &plan, broker, teller: &teller, told: BTreeMap::new(), is_input_wrong: false };
    tokio::select! {
        biased;
        () = shutdown => {}
        exit = running.ended() => return teller.judge(exit),
        () = session.run(send) => {}
    }
    running.shutdown();
    let exit = running.ended().await;
    session.print_published();
    let mut exit = teller.judge(exit);
    if exit.code == 0 && session.is_input_wrong {
        exit.code = WRONG_INPUT;
    }
    exit
}

impl Teller {
    /// Locks what is known of unfinished records.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the exit with the code for failed records, if it would be 0 otherwise.
    fn judge(&self, mut exit: Exit) -> Exit {
        if exit.code == 0 && self.failed.load(SeqCst) {
            exit.code = FAILED;
        }
        exit
    }
}

/// The part of `dev` that publishes records and prints what follows from them. It runs on the main thread.
struct Session<'a> {
    /// The checked app, for the topics that its handlers read.
    plan: &'a Plan,
    /// The broker in place of Kafka, shared with the app.
    broker: MemoryBroker,
    /// The observer, for the reasons of a wait.
    teller: &'a Teller,
    /// Whether a line of a piped input was wrong, or the broker refused a record. A wrong line at a terminal does
    /// not count: the user sees the message.
    is_input_wrong: bool,
    /// By topic and partition: the next offset to print. Records that were published here are not printed again.
    told: BTreeMap<(String, i32), i64>,
}

impl Session<'_> {
    /// Publishes the records of `send`, then those of standard input, one after another, so the printed lines of a
    /// record are together. Ends with the input. Without a terminal, `send` alone is enough: in a pipeline nobody
    /// may ever close the input.
    async fn run(&mut self, send: Vec<Outgoing>) {
        let interactive = std::io::stdin().is_terminal();
        let only_send = !send.is_empty() && !interactive;
        for record in send {
            self.publish(record).await;
        }
        if only_send {
            return;
        }
        if interactive {
            let topics: Vec<String> = known(self.plan);
            line(format_args!(
                "lines `TOPIC[@KEY] [NAME=VALUE ...] JSON`; topics: {}; Ctrl-D ends",
                topics.join(", ")
            ));
        }
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(text)) = lines.next_line().await {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let wrong = match read_line(text) {
                Ok(record) if is_known(self.plan, &record.topic) => {
                    self.publish(record).await;
                    continue;
                }
                Ok(record) => unknown(self.plan, &record.topic),
                Err(error) => error,
            };
            self.is_input_wrong |= !interactive;
            line(wrong);
        }
    }

    /// Publishes a record, and waits until everything that follows from it is settled: retries, results and the
    /// handlers of those. After 3 s, and again at each change, it prints what it waits for; seconds that count
    /// down are no change.
    ///
    /// There is no limit to the wait: a handler may take as long as in production. A signal ends it, as `dev`
    /// selects on `shutdown` first.
    async fn publish(&mut self, record: Outgoing) {
        let topic = record.topic.to_string();
        let published = match self.broker.append(record) {
            Ok(published) => published,
            Err(error) => {
                self.is_input_wrong = true;
                return line(error);
            }
        };
        *self.told.entry((topic, published.partition)).or_default() = published.offset + 1;
        let mut said = Vec::new();
        while timeout(PATIENCE, self.broker.settled()).await.is_err() {
            self.print_published();
            // Once for each state of affairs, not each time with fewer seconds.
            let lines = self.teller.waiting().lines(self.plan, &self.broker);
            let places: Vec<String> =
                lines.iter().map(|line| line.split(" in ").next().unwrap_or_default().to_owned()).collect();
            if places != said {
                for text in &lines {
                    line(format_args!("waiting: {text}"));
                }
                said = places;
            }
        }
        self.print_published();
    }

    /// Prints the records that handlers have published since the last call.
    fn print_published(&mut self) {
        for topic in self.broker.topic_list().into_keys() {
            for (partition, record) in self.broker.records(&topic) {
                let told = self.told.entry((topic.clone(), partition)).or_default();
                if record.offset < *told {
                    continue;
                }
                *told = record.offset + 1;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let payload = record.payload.as_deref().map_or_else(|| "(tombstone)".to_owned(), text);
                let key = record.key.as_deref().map_or_else(String::new, |key| format!(" key {}", text(key)));
                let headers = record.headers.iter().map(|(name, value)| {
                    let value = value.as_deref().map_or_else(String::new, text);
                    format!("{}={value}", text(name))
                });
                let headers: Vec<String> = headers.collect();
                let headers = if headers.is_empty() {
                    String::new()
                } else {
                    format!(" headers {}", headers.join(" "))
                };
                line(format_args!(
                    "{topic}/{partition} offset {}  published{key}{headers}: {payload}",
                    record.offset
                ));
            }
        }
    }
}

/// Returns the topics and patterns that handlers read, for messages.
fn known(plan: &Plan) -> Vec<String> {
    use faststream_core::subscriber::Source;
    let mut topics: Vec<String> = plan
        .subscribers()
        .iter()
        .flat_map(|subscriber| match &subscriber.spec.source {
            Source::Topics(topics) => topics.iter().map(ToString::to_string).collect(),
            Source::Pattern(pattern) => vec![format!("/{pattern}/")],
        })
        .collect();
    topics.sort();
    topics.dedup();
    topics
}

/// Returns whether a handler reads the topic.
fn is_known(plan: &Plan, topic: &str) -> bool {
    plan.subscribers().iter().any(|subscriber| subscriber.spec.reads(topic))
}

/// Returns the message about a topic that no handler reads.
fn unknown(plan: &Plan, topic: &str) -> String {
    format!("no handler reads `{topic}`: there are {}", known(plan).join(", "))
}

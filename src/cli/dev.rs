//! `dev`: the app without Kafka, on an in-memory broker, telling what each handler did.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use faststream_core::app::{
    Brokers, CallBegin, CallReport, Exit, FastStream, LaunchOptions, Observer, Plan, StartOptions,
};
use faststream_core::log::bounded;
use faststream_core::memory::MemoryBroker;
use faststream_core::record::Outgoing;
use faststream_core::result::{Disposition, Outcome, Verdict};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use super::args::read_line;
use super::output::line;
use super::waiting::Waiting;

/// The exit code when the command line or a line of a piped input is wrong.
const WRONG_INPUT: u8 = 2;
/// After so long without an outcome, what is waited for is told.
const PATIENCE: Duration = Duration::from_secs(3);
/// The exit code when a record was held or dead-lettered.
const FAILED: u8 = 4;

/// Tells what each handler did.
#[derive(Default)]
struct Teller {
    /// A record was held or dead-lettered.
    failed: AtomicBool,
    waiting: Mutex<Waiting>,
}

impl Observer for Teller {
    fn begins(&self, begin: &CallBegin<'_>) {
        self.waiting().begins(begin);
    }

    fn called(&self, report: &CallReport<'_>) {
        self.waiting().called(report);
        let CallReport { handler, topic, partition, offset, attempt, .. } = report;
        let what = match report.outcome {
            Outcome::Verdict(Verdict::Ack) => "handled".to_owned(),
            Outcome::Verdict(verdict) => bounded(format!("decided {verdict:?}")),
            Outcome::Publish(copies) => format!("handled, {} to publish", copies.len()),
            Outcome::Failed(error) | Outcome::NotEncodable(error) => format!("failed: {}", error.message),
            Outcome::Rejected(rejection) => format!("could not read it: {rejection}"),
        };
        let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
        line(format_args!("{topic}/{partition} offset {offset}  {handler}{again}: {what}"));
    }

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

/// Runs the app until its records are settled, or standard input ends, or `shutdown`.
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
    let observer: Arc<dyn Observer> = Arc::clone(&teller) as _;
    let options = StartOptions { observer: Some(observer), idle: broker.idle(), ..StartOptions::default() };
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
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clean end is none for a script that wants to know whether its records were handled.
    fn judge(&self, mut exit: Exit) -> Exit {
        if exit.code == 0 && self.failed.load(SeqCst) {
            exit.code = FAILED;
        }
        exit
    }
}

struct Session<'a> {
    plan: &'a Plan,
    broker: MemoryBroker,
    teller: &'a Teller,
    /// A line that nobody typed at a terminal could not be sent.
    is_input_wrong: bool,
    /// How many records of each partition were told.
    told: BTreeMap<(String, i32), i64>,
}

impl Session<'_> {
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

    /// What handlers have published since the last time.
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

fn known(plan: &Plan) -> Vec<String> {
    use faststream_core::subscriber::Source;
    let mut topics: Vec<String> = plan
        .subscribers()
        .iter()
        .flat_map(|subscriber| match &subscriber.source {
            Source::Topics(topics) => topics.iter().map(ToString::to_string).collect(),
            Source::Pattern(pattern) => vec![format!("/{pattern}/")],
        })
        .collect();
    topics.sort();
    topics.dedup();
    topics
}

fn is_known(plan: &Plan, topic: &str) -> bool {
    plan.subscribers().iter().any(|subscriber| subscriber.reads(topic))
}

fn unknown(plan: &Plan, topic: &str) -> String {
    format!("no handler reads `{topic}`: there are {}", known(plan).join(", "))
}

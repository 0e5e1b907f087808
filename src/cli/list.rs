//! `list`: prints the handlers, one on each line. Builds no state and connects to nothing, so it works without a
//! broker.
//!
//! ```text
//! TOPIC                     GROUP    HANDLER  POLICY                   AT
//! orders                    billing  bill     NackOnError, DeadLetter  src/main.rs:12
//! orders-billing-retry-10s  billing  bill     retry after 10s          src/main.rs:12
//! ```

use faststream_core::app::{Exit, FastStream, LaunchOptions};
use faststream_core::subscriber::{Source, Subscriber};

use super::output::line;

/// Prints the table. An app with faults is an exit with their messages, as at startup.
pub(crate) fn list(app: FastStream, setting: LaunchOptions) -> Exit {
    let plan = match app.plan(setting) {
        Ok(plan) => plan,
        Err(faults) => return Exit::not_started(faults.to_string()),
    };
    let head = ["TOPIC", "GROUP", "HANDLER", "POLICY", "AT"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head)
        .chain(plan.subscribers().iter().flat_map(|subscriber| rows(subscriber)))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3].map(width);
    for [topic, group, handler, policy, at] in &rows {
        let [a, b, c, d] = widths;
        line(format_args!("{topic:a$}  {group:b$}  {handler:c$}  {policy:d$}  {at}"));
    }
    Exit::default()
}

/// Returns the rows of a handler: what it reads first, then its retry topics.
fn rows(subscriber: &Subscriber) -> Vec<[String; 5]> {
    let topics = match &subscriber.spec.source {
        Source::Topics(topics) => topics.join(","),
        Source::Pattern(pattern) => format!("/{pattern}/"),
    };
    let policy = format!("{:?}, {:?}", subscriber.handler.ack, subscriber.handler.on_error);
    let row = |topics: String, policy: String| {
        let (group, handler) = (subscriber.spec.group.to_string(), subscriber.handler.name.to_string());
        [topics, group, handler, policy, subscriber.handler.def.location()]
    };
    let retries = subscriber
        .spec
        .retry_topics
        .iter()
        .map(|retry| row(retry.name.to_string(), format!("retry after {}", retry.written_delay())));
    std::iter::once(row(topics, policy)).chain(retries).collect()
}

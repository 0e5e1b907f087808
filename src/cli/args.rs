//! Reads the command line with `clap`, and parses every value at this edge: what leaves here is typed.
//!
//! | value | example |
//! | --- | --- |
//! | `--skip TOPIC:PARTITION:OFFSET[@TIMESTAMP]` | `orders:0:17` |
//! | `-X KEY=VALUE` | `session.timeout.ms=20000` |
//! | `--send TOPIC[@KEY]=JSON` | `orders@acme={"id":1}` |
//! | `--header NAME=VALUE` | `tenant=acme` |
//! | a line of standard input, `TOPIC[@KEY] [NAME=VALUE ...] JSON` | `orders@acme tenant=acme {"id":1}` |
//!
//! A value that does not parse is refused with its form and an example.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};
use faststream_core::context::Skip;
use faststream_core::record::Outgoing;

/// The exit code of a wrong command line, as usual for Unix programs and `clap`. The same number as that of an
/// exceeded drain time.
const WRONG_USAGE: u8 = 2;

use super::hidden::without_values;

/// The command, with its arguments.
#[derive(Debug)]
pub(crate) enum Command {
    /// Runs the app. `skips` are the held records to finish without handling, `properties` the `-X key=value` for
    /// its broker, in order.
    Run { skips: BTreeSet<Skip>, properties: Vec<(String, String)> },
    /// Runs the app on an in-memory broker. `send` are the records to publish first; without any, they are read
    /// from standard input.
    Dev { send: Vec<Outgoing> },
    /// Prints the handlers.
    List,
}

/// Reads the arguments of the process. `package` and `version` are those of the user's crate; empty without a
/// generated `main`.
///
/// # Errors
/// The exit code, if there is nothing to run: 0 after help or the version, 2 for a wrong command line. The message
/// is printed already, with the values of properties masked.
pub(crate) fn parse(package: &'static str, version: &'static str) -> Result<Command, ExitCode> {
    let command = definition(package, version);
    match command.try_get_matches() {
        Ok(matches) => Ok(read(&matches)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = error.print();
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            let args: Vec<_> =
                std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
            let _ = write!(io::stderr(), "{}", without_values(error.render().to_string(), &args));
            Err(ExitCode::from(WRONG_USAGE))
        }
    }
}

/// Returns the definition of the command line. `run` may be left out, so its options are accepted in both places.
fn definition(package: &'static str, version: &'static str) -> clap::Command {
    let (skip, property) = (skip(), property());
    clap::Command::new(if package.is_empty() { "app" } else { package })
        .version(if version.is_empty() { env!("CARGO_PKG_VERSION") } else { version })
        .about("A Kafka service. Without a command, it runs.")
        .args_conflicts_with_subcommands(true)
        .args([skip.clone(), property.clone()])
        .subcommand(clap::Command::new("run").about("Runs the service (the default)").args([skip, property]))
        .subcommand(
            clap::Command::new("dev")
                .about("Runs it without Kafka, on an in-memory broker")
                .args([send(), header()])
                .after_help(
                    "Without --send, lines `TOPIC[@KEY] [NAME=VALUE ...] JSON` are read from standard input.\n\
                     Exit code 4: a record was held or dead-lettered.",
                ),
        )
        .subcommand(clap::Command::new("list").about("Lists the handlers"))
        .after_help(
            "Environment: KAFKA_BROKERS, KAFKA_GROUP, KAFKA_CONFIG (a properties file), KAFKA__ANY_PROPERTY, RUST_LOG.\n\
             Exit code: 0 clean, 1 not started, 2 drain time exceeded or wrong usage, 3 stopped or fatal,\n\
             4 (dev) a record was held or dead-lettered, 130 second signal.",
        )
}

/// The option `--send` of `dev`.
fn send() -> Arg {
    Arg::new("send")
        .long("send")
        .value_name("TOPIC[@KEY]=JSON")
        .action(ArgAction::Append)
        .value_parser(read_send)
        .help("Publishes a record, then ends once all is settled")
}

/// The option `--header` of `dev`, for the `--send` before it.
fn header() -> Arg {
    Arg::new("header")
        .long("header")
        .value_name("NAME=VALUE")
        .action(ArgAction::Append)
        .value_parser(read_header)
        .requires("send")
        .help("Adds a header to the record of the `--send` before it")
}

/// The option `--skip` of `run`. The log line of a held record shows the value to pass.
fn skip() -> Arg {
    Arg::new("skip")
        .long("skip")
        .value_name("TOPIC:PARTITION:OFFSET[@TIMESTAMP]")
        .action(ArgAction::Append)
        .value_parser(read_skip)
        .help("Lets go of a held record: it is finished without being handled")
}

/// The option `-X` of `run`, with the letter that `kcat` uses.
fn property() -> Arg {
    Arg::new("property")
        .short('X')
        .value_name("KEY=VALUE")
        .action(ArgAction::Append)
        .value_parser(read_property)
        .help("Sets a property of the Kafka client")
}

/// Returns the command of arguments that `clap` has accepted.
fn read(matches: &ArgMatches) -> Command {
    match matches.subcommand() {
        Some(("dev", matches)) => Command::Dev { send: read_records(matches) },
        Some(("list", _)) => Command::List,
        Some((_, matches)) => read_run(matches),
        None => read_run(matches),
    }
}

/// Returns `run` with its options, from the place where they were given.
fn read_run(matches: &ArgMatches) -> Command {
    Command::Run { skips: all(matches, "skip").into_iter().collect(), properties: all(matches, "property") }
}

/// Returns the records of `--send`, with their headers. A header belongs to the `--send` before it, one before all
/// of them to the first; `clap` reports the positions.
fn read_records(matches: &ArgMatches) -> Vec<Outgoing> {
    let mut records: Vec<Outgoing> = all(matches, "send");
    let sends: Vec<usize> = matches.indices_of("send").into_iter().flatten().collect();
    let headers: Vec<(String, String)> = all(matches, "header");
    for (index, (name, value)) in matches.indices_of("header").into_iter().flatten().zip(headers) {
        let before = sends.iter().filter(|send| **send < index).count();
        if let Some(record) = records.get_mut(before.saturating_sub(1)) {
            record.headers.push((name.into(), Some(value.into())));
        }
    }
    records
}

/// Returns all values of an option, in order.
fn all<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Vec<T> {
    matches.get_many::<T>(name).into_iter().flatten().cloned().collect()
}

/// Parses `TOPIC:PARTITION:OFFSET[@TIMESTAMP]`. With the timestamp, a record of a recreated topic at the same
/// offset is not skipped by mistake.
fn read_skip(text: &str) -> Result<Skip, String> {
    Skip::parse(text).ok_or_else(|| {
        "write TOPIC:PARTITION:OFFSET@TIMESTAMP as the log does, or TOPIC:PARTITION:OFFSET, such as orders:0:17"
            .into()
    })
}

/// Parses `KEY=VALUE`. The value keeps its spaces and may contain `=`.
fn read_property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as session.timeout.ms=20000")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Parses `NAME=VALUE`. Both are kept as they are; the value may be empty.
fn read_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as tenant=acme")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses `TOPIC[@KEY]=JSON`. A topic's name contains neither `@` nor `=`, but a key may contain both: the JSON
/// begins after the first `=` that is followed by valid JSON.
///
/// # Errors
/// The reason at the first `=`, which is most likely the one that was meant.
fn read_send(text: &str) -> Result<Outgoing, String> {
    let mut first = None;
    for (at, _) in text.match_indices('=') {
        match record(&text[..at], &text[at + 1..]) {
            Ok(record) => return Ok(record),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| {
        "write TOPIC=JSON or TOPIC@KEY=JSON, such as 'orders={\"id\":1}' or 'orders@acme={\"id\":1}'".into()
    }))
}

/// Parses a line of standard input, `TOPIC[@KEY] [NAME=VALUE ...] JSON`. Without JSON, the payload is `null`.
///
/// A word with `=` is a header if it begins with a letter and its name has no quote, brace or bracket: no JSON
/// value looks like that, so a header needs no mark of its own.
///
/// # Errors
/// The sentence to print, if there is no topic or the payload is not JSON.
pub(super) fn read_line(text: &str) -> Result<Outgoing, String> {
    let (place, mut rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut headers = Vec::new();
    loop {
        rest = rest.trim_start();
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        // No JSON begins with a letter and goes on with `=`.
        let header = word.split_once('=').filter(|(name, _)| name.starts_with(char::is_alphabetic));
        let Some((name, value)) = header.filter(|(name, _)| !name.contains(['"', '{', '['])) else { break };
        headers.push((name.to_owned().into(), Some(value.to_owned().into())));
        rest = behind;
    }
    let json = if rest.trim().is_empty() { "null" } else { rest.trim() };
    Ok(Outgoing { headers, ..record(place, json)? })
}

/// Returns the record of a topic with an optional key (`place`) and a payload, which has to be JSON: a typing
/// mistake is reported here, and not as a record that a handler rejects.
fn record(place: &str, json: &str) -> Result<Outgoing, String> {
    serde_json::from_str::<serde_json::Value>(json)
        .map_err(|error| format!("`{json}` is not JSON: {error}"))?;
    let (topic, key) = match place.trim().split_once('@') {
        Some((topic, key)) => (topic, Some(key.to_owned().into())),
        None => (place.trim(), None),
    };
    if topic.is_empty() {
        return Err(
            "no topic is named: write TOPIC=JSON or TOPIC@KEY=JSON, on standard input TOPIC JSON".to_owned()
        );
    }
    Ok(Outgoing { key, ..Outgoing::new(topic, json.to_owned()) })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn command(args: &[&str]) -> Result<Command, String> {
        let args = std::iter::once("app").chain(args.iter().copied());
        let matches =
            definition("app", "1.0.0").try_get_matches_from(args).map_err(|error| error.to_string())?;
        Ok(read(&matches))
    }

    #[test]
    fn run_is_the_default() {
        let Ok(Command::Run { skips, properties }) = command(&["--skip", "a:b:0:17", "-X", "a=b=c"]) else {
            panic!("it runs");
        };
        assert_eq!(skips, [("a:b".to_owned(), 0, 17).into()].into());
        assert_eq!(properties, [("a".to_owned(), "b=c".to_owned())]);
    }

    /// Topic, key, headers and payload, as text.
    fn shown(record: &Outgoing) -> (String, String, Vec<String>, String) {
        let text = |bytes: Option<&Bytes>| {
            bytes.map_or_else(|| "-".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let headers = record.headers.iter();
        let headers =
            headers.map(|(name, value)| format!("{}={}", text(Some(name)), text(value.as_ref()))).collect();
        (record.topic.to_string(), text(record.key.as_ref()), headers, text(record.payload.as_ref()))
    }

    fn expected(
        topic: &str,
        key: &str,
        headers: &[&str],
        json: &str,
    ) -> (String, String, Vec<String>, String) {
        let headers = headers.iter().map(|header| (*header).to_owned()).collect();
        (topic.to_owned(), key.to_owned(), headers, json.to_owned())
    }

    #[test]
    fn no_value_of_a_property_is_shown_when_the_command_line_is_wrong() {
        for args in [
            &["-X", "hunter2"][..],
            &["-X", "sasl.password:hunter2"],
            &["-Xhunter2"],
            &["sasl.password=hunter2"],
            &["-X", "client.id=a", "sasl.password=hunter2"],
            &["-X", "sasl.password=", "hunter2"],
            &["-X", "sasl.password", "=", "hunter2"],
            &["--sasl.password=hunter2"],
            &["run", "-X", "sasl.password hunter2"],
        ] {
            let error = command(args).expect_err("it is wrong");
            let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
            let shown = without_values(error, &args);
            assert!(!shown.contains("hunter2"), "{args:?}: {shown}");
        }
        let error = command(&["lst"]).expect_err("it is wrong");
        assert!(without_values(error, &["lst".to_owned()]).contains("'lst'"));
    }

    #[test]
    fn records_to_send_are_topic_key_headers_and_json() {
        let args = [
            "dev",
            "--send",
            r#"a={"b":"="}"#,
            "--send",
            "c@k=1",
            "--header",
            "x=1",
            "--header",
            "y==",
            "--send",
        ];
        let args: Vec<&str> =
            args.into_iter().chain(["d@a=b@c=null", "--header", "z=", "--send", r#"e@="""#]).collect();
        let Ok(Command::Dev { send }) = command(&args) else {
            panic!("it is dev");
        };
        let all: Vec<_> = send.iter().map(shown).collect();
        assert_eq!(
            all,
            [
                expected("a", "-", &[], r#"{"b":"="}"#),
                expected("c", "k", &["x=1", "y=="], "1"),
                expected("d", "a=b@c", &["z="], "null"),
                expected("e", "", &[], r#""""#),
            ]
        );
    }

    #[test]
    fn lines_are_topic_key_headers_and_json() {
        for (line, record) in [
            (r#"orders {"id": 1}"#, expected("orders", "-", &[], r#"{"id": 1}"#)),
            (
                r#"orders@acme  tenant=a trace=b=c {"id":"x=y"}"#,
                expected("orders", "acme", &["tenant=a", "trace=b=c"], r#"{"id":"x=y"}"#),
            ),
            ("orders", expected("orders", "-", &[], "null")),
            ("orders@k", expected("orders", "k", &[], "null")),
            (r#"orders "a=b""#, expected("orders", "-", &[], r#""a=b""#)),
            ("orders true", expected("orders", "-", &[], "true")),
        ] {
            assert_eq!(shown(&read_line(line).expect(line)), record, "{line}");
        }
        assert!(read_line("orders {").is_err());
        let error = read_line("@acme {}").expect_err("no topic");
        assert!(error.starts_with("no topic is named"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_form() {
        for (args, said) in [
            (&["dev", "--send", "orders"][..], "write TOPIC=JSON or TOPIC@KEY=JSON"),
            (&["dev", "--send", "orders=1", "--header", "tenant"], "write NAME=VALUE"),
            (&["dev", "--header", "a=b"], "--send"),
            (&["dev", "--send", "orders={"], "is not JSON"),
            (&["dev", "--send", "=1"], "no topic is named"),
            (&["dev", "--send", "@acme=1"], "no topic is named"),
            (&["--skip", "orders:1"], "write TOPIC:PARTITION:OFFSET"),
            (&["-X", "linger"], "write KEY=VALUE"),
            (&["lst"], "list"),
        ] {
            let error = command(args).expect_err("it is wrong");
            assert!(error.contains(said), "{error}");
        }
    }
}

//! What was asked for.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};

use super::hidden::without_values;

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Run { skips: BTreeSet<(String, i32, i64)>, properties: Vec<(String, String)> },
    Dev { send: Vec<(String, String)> },
    List,
}

/// Reads the command line; an error, help and the version are printed, and the code to exit with is returned.
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
            Err(ExitCode::FAILURE)
        }
    }
}

fn definition(package: &'static str, version: &'static str) -> clap::Command {
    let (skip, property) = (skip(), property());
    clap::Command::new(if package.is_empty() { "app" } else { package })
        .version(if version.is_empty() { env!("CARGO_PKG_VERSION") } else { version })
        .about("A Kafka service. Without a command, it runs.")
        .args_conflicts_with_subcommands(true)
        .args([skip.clone(), property.clone()])
        .subcommand(clap::Command::new("run").about("Runs the service (the default)").args([skip, property]))
        .subcommand(
            clap::Command::new("dev").about("Runs it without Kafka, on an in-memory broker").arg(
                Arg::new("send")
                    .long("send")
                    .value_name("TOPIC=JSON")
                    .action(ArgAction::Append)
                    .value_parser(read_send)
                    .help("Publishes a record, then ends once all is settled; otherwise lines `TOPIC JSON` are read"),
            ),
        )
        .subcommand(clap::Command::new("list").about("Lists the handlers"))
        .after_help(
            "Environment: KAFKA_BROKERS, KAFKA_GROUP, KAFKA_CONFIG (a properties file), KAFKA__ANY_PROPERTY, RUST_LOG.\n\
             Exit code: 0 clean, 1 not started, 2 drain time exceeded, 3 stopped or fatal, 130 second signal.",
        )
}

fn skip() -> Arg {
    Arg::new("skip")
        .long("skip")
        .value_name("TOPIC:PARTITION:OFFSET")
        .action(ArgAction::Append)
        .value_parser(read_skip)
        .help("Lets go of a held record: it is finished without being handled")
}

fn property() -> Arg {
    Arg::new("property")
        .short('X')
        .value_name("KEY=VALUE")
        .action(ArgAction::Append)
        .value_parser(read_property)
        .help("Sets a property of the Kafka client")
}

fn read(matches: &ArgMatches) -> Command {
    match matches.subcommand() {
        Some(("dev", matches)) => Command::Dev { send: all(matches, "send") },
        Some(("list", _)) => Command::List,
        Some((_, matches)) => read_run(matches),
        None => read_run(matches),
    }
}

fn read_run(matches: &ArgMatches) -> Command {
    Command::Run { skips: all(matches, "skip").into_iter().collect(), properties: all(matches, "property") }
}

fn all<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Vec<T> {
    matches.get_many::<T>(name).into_iter().flatten().cloned().collect()
}

fn read_skip(text: &str) -> Result<(String, i32, i64), String> {
    let read = || {
        let (rest, offset) = text.rsplit_once(':')?;
        let (topic, partition) = rest.rsplit_once(':')?;
        Some((topic.to_owned(), partition.parse().ok()?, offset.parse().ok()?))
    };
    read().ok_or_else(|| "write TOPIC:PARTITION:OFFSET, such as orders:0:17".into())
}

fn read_property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as session.timeout.ms=20000")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

pub(super) fn read_send(text: &str) -> Result<(String, String), String> {
    let (topic, json) = text.split_once('=').ok_or("write TOPIC=JSON, such as 'orders={\"id\":1}'")?;
    checked(topic, json)
}

/// The payload has to be JSON: what is sent by mistake is told here, not by a handler.
pub(super) fn checked(topic: &str, json: &str) -> Result<(String, String), String> {
    serde_json::from_str::<serde_json::Value>(json)
        .map_err(|error| format!("`{json}` is not JSON: {error}"))?;
    Ok((topic.trim().to_owned(), json.to_owned()))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(skips, [("a:b".to_owned(), 0, 17)].into());
        assert_eq!(properties, [("a".to_owned(), "b=c".to_owned())]);
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
    fn records_to_send_are_topic_and_json() {
        let Ok(Command::Dev { send }) = command(&["dev", "--send", r#"a={"b":"="}"#, "--send", "c=1"]) else {
            panic!("it is dev");
        };
        assert_eq!(send, [("a".to_owned(), r#"{"b":"="}"#.to_owned()), ("c".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_form() {
        for (args, said) in [
            (&["dev", "--send", "orders"][..], "write TOPIC=JSON"),
            (&["dev", "--send", "orders={"], "is not JSON"),
            (&["--skip", "orders:1"], "write TOPIC:PARTITION:OFFSET"),
            (&["-X", "linger"], "write KEY=VALUE"),
            (&["lst"], "list"),
        ] {
            let error = command(args).expect_err("it is wrong");
            assert!(error.contains(said), "{error}");
        }
    }
}

//! Log lines that cannot be written, and lines on standard output that nobody reads.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

fn orders() -> Command {
    let mut command = Command::new(crate::program::example("orders"));
    command.env_remove("RUST_LOG").env_remove("KAFKA_BROKERS").env_remove("KAFKA_GROUP");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Where nothing can be written: a full disk, and a pipe that nobody reads.
fn broken() -> Vec<(&'static str, Stdio)> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = File::options().write(true).open("/dev/full").expect("it takes nothing");
    vec![("a full disk", full.into()), ("a closed pipe", writer.into())]
}

fn ends(mut child: Child) -> ExitStatus {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status;
        }
        if Instant::now() > until {
            child.kill().expect("it runs");
            panic!("it did not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn a_log_that_cannot_be_written_is_lost_and_sigterm_still_drains() {
    for (what, stderr) in broken() {
        // Whoever listens there never answers; a connection shows that the client runs, and at `trace` it has logged by then.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let mut command = orders();
        command.env("KAFKA_BROKERS", address).env("RUST_LOG", "trace").stderr(stderr);
        let child = command.spawn().expect("it starts");
        drop(command);
        let _connection = listener.accept().expect("it connects");
        signal(&child, "-TERM");
        assert_eq!(ends(child).code(), Some(0), "{what}");
    }
}

#[test]
fn what_failed_at_start_has_its_exit_code_when_nobody_can_read_why() {
    for (what, stderr) in broken() {
        let child = orders().env("KAFKA_BROKERS", "9092").stderr(stderr).spawn().expect("it starts");
        assert_eq!(ends(child).code(), Some(1), "{what}");
    }
}

#[test]
fn commands_end_as_ever_when_nobody_reads_what_they_print() {
    let send = r#"orders={"id":1,"item":"pen","quantity":2}"#;
    for args in [&["list"][..], &["--help"], &["--version"], &["dev", "--send", send, "--send", send]] {
        for (what, stdout) in broken() {
            let child = orders().args(args).stdout(stdout).spawn().expect("it starts");
            assert_eq!(ends(child).code(), Some(0), "{args:?}, {what}");
        }
    }
}

#[test]
fn dev_goes_on_with_its_records_when_nobody_reads_what_it_prints() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = orders();
    command.arg("dev").env("RUST_LOG", "info").stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(command);
    let mut stdin = child.stdin.take().expect("piped");
    let mut first = String::new();
    let mut reader = BufReader::new(reader);
    writeln!(stdin, r#"orders {{"id":1,"item":"pen","quantity":2}}"#).expect("it reads");
    assert!(reader.read_line(&mut first).expect("a line") > 0);
    drop(reader);
    writeln!(stdin, r#"orders {{"id":2,"item":"pen","quantity":2}}"#).expect("it reads");
    writeln!(stdin, r#"orders {{"id":3,"item":"no such thing"}}"#).expect("it reads");
    // The last one is bad: the log says so, and it is the third that was handled.
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    let bad = stderr.lines().map_while(Result::ok).find(|line| line.contains("offset=2"));
    assert!(bad.is_some(), "the records behind the first line were not handled");
    drop(stdin);
    ends(child);
}

#[test]
fn a_second_signal_ends_a_service_whose_log_is_stuck_in_a_full_pipe() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    // A pipe holds 64 KiB.
    writer.write_all(&vec![b'\n'; 65_536]).expect("it fits");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let mut command = orders();
    command.env("KAFKA_BROKERS", address).stderr(writer);
    let child = command.spawn().expect("it starts");
    drop(command);
    let _connection = listener.accept().expect("it connects");
    signal(&child, "-TERM");
    // A second one within half a second is the first once more.
    thread::sleep(Duration::from_millis(700));
    signal(&child, "-TERM");
    assert!(matches!(ends(child).code(), Some(0 | 130)));
    drop(reader);
}

mod subscriber_that_panics {
    use faststream::memory::MemoryBroker;
    use faststream::{FastStream, TestApp, subscriber};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    struct Panics;

    impl Subscriber for Panics {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            panic!("no line can be written");
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[subscriber(topic = "orders", on_error = DeadLetter, retry(attempts = 2))]
    async fn fails_once_in_a_while(order: u64) -> Result<(), String> {
        if order == 2 { Err("no".into()) } else { Ok(()) }
    }

    #[faststream::test]
    async fn a_subscriber_that_panics_at_each_line_hurts_neither_delivery_nor_the_stop() {
        let _panics = tracing::subscriber::set_default(Panics);
        let app = FastStream::new(MemoryBroker::new()).name("shop").module(module_path!());
        let app = TestApp::start(app).await;
        for order in 1..=3 {
            app.append("orders", &order);
        }
        app.settle().await;
        assert_eq!(app.calls("fails_once_in_a_while").len(), 4);
        assert_eq!(app.dead_letters("orders").len(), 1);
        app.broker().rebalance("shop");
        app.publish("orders", &4).await;
        assert_eq!(app.calls("fails_once_in_a_while").len(), 5);
        assert_eq!(app.shutdown().await.code, 0);
    }
}

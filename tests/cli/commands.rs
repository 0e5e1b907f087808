//! The commands of the generated `main`: what they print, and their exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// The README's example.
fn orders() -> Command {
    let mut command = Command::new(crate::program::example("orders"));
    command.env_remove("RUST_LOG").env_remove("KAFKA_BROKERS").env_remove("KAFKA_GROUP").stdin(Stdio::null());
    command
}

/// Runs to its end, or is killed after 20 s.
fn run(command: &mut Command, input: &str) -> (i32, String, String) {
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut child =
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).expect("it reads");
    }
    let output = wait(child);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

fn wait(mut child: Child) -> Output {
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait().expect("it can be waited for").is_none() {
        if Instant::now() > until {
            child.kill().expect("it runs");
            panic!("it did not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("its output")
}

#[test]
fn dev_handles_what_is_sent_tells_what_happened_and_exits_0() {
    let send = r#"orders={"id":1,"item":"pen","quantity":2}"#;
    let (code, out, err) = run(orders().args(["dev", "--send", send]), "");
    let expected = "orders/0 offset 0  bill: handled, 1 to publish\n\
                    invoices/0 offset 0  published: {\"order\":1,\"total\":5.0}\n";
    assert_eq!((code, out.as_str(), err.as_str()), (0, expected, ""));
    // The README shows this command, and this output.
    let shown = format!("$ cargo run --example orders -- dev --send '{send}'\n{expected}```");
    assert!(include_str!("../../README.md").contains(&shown), "the README does not show: {shown}");
}

#[test]
fn dev_reads_lines_and_tells_what_is_wrong_with_them() {
    let input =
        "orders {\"id\":1,\"item\":\"ink\",\"quantity\":1}\nnope 1\norders {\"id\"\norders {\"id\":\"x\"}\n";
    let (code, out, _) = run(orders().arg("dev"), input);
    assert_eq!(code, 4, "a record was dead-lettered: {out}");
    for said in [
        r#"published: {"order":1,"total":8.0}"#,
        "no handler reads `nope`: there are orders",
        "is not JSON",
        "could not read it: ",
        "orders/0 offset 1  bill: dead-lettered",
    ] {
        assert!(out.contains(said), "{said} is missing in:\n{out}");
    }
}

#[test]
fn dev_sends_keys_and_headers_and_exits_4_if_a_record_was_not_handled() {
    let good = r#"orders@acme={"id":1,"item":"pen","quantity":2}"#;
    let args = ["dev", "--send", good, "--header", "tenant=a", "--send", r#"orders={"id":"x"}"#];
    let (code, out, err) = run(orders().args(args), "");
    assert_eq!(code, 4, "{out}{err}");
    assert!(out.contains("bill: handled, 1 to publish") && out.contains("bill: dead-lettered"), "{out}");
    // The copy keeps key and headers: they are shown.
    let lines = "orders@acme tenant=a {\"id\":\"x\"}\n";
    let (code, out, _) = run(orders().arg("dev"), lines);
    assert_eq!(code, 4);
    assert!(out.contains("published key acme headers tenant=a dlt-original-topic=orders"), "{out}");
}

#[test]
fn list_shows_topic_group_handler_policy_and_place() {
    let (code, out, _) = run(orders().arg("list"), "");
    let row: Vec<&str> = out.lines().nth(1).expect("a handler").split_whitespace().collect();
    assert_eq!(code, 0);
    assert_eq!(row[..5], ["orders", "billing", "bill", "NackOnError,", "DeadLetter"]);
    assert!(row[5].starts_with("examples/orders.rs:"), "{row:?}");
}

#[test]
fn retry_topics_are_listed_and_told_by_dev() {
    let service = || {
        let mut command = Command::new(crate::program::example("retry_topics"));
        command.env_remove("RUST_LOG").env_remove("KAFKA_BROKERS").env_remove("KAFKA_GROUP");
        command
    };
    let (code, out, _) = run(service().arg("list"), "");
    let rows: Vec<Vec<&str>> =
        out.lines().skip(1).map(|row| row.split_whitespace().take(6).collect()).collect();
    let row = |delay| {
        let topic = if delay == "2s" { "charges-payments-retry-2s" } else { "charges-payments-retry-5s" };
        vec![topic, "payments", "charge", "retry", "after", delay]
    };
    assert_eq!((code, rows.len()), (0, 3), "{out}");
    assert_eq!(rows[1..], [row("2s"), row("5s")]);
    let (code, out, _) = run(service().args(["dev", "--send", r#"charges={"id":1,"answers_at":2}"#]), "");
    assert_eq!(code, 0, "{out}");
    for said in [
        "charges/0 offset 0  charge: retried",
        "charges-payments-retry-2s/0 offset 0  charge (attempt 2): handled, 1 to publish",
        r#"receipts/0 offset 0  published: {"charge":1,"attempts":2}"#,
    ] {
        assert!(out.contains(said), "{said} is missing in:\n{out}");
    }
}

#[test]
fn help_and_version_exit_0_and_a_wrong_command_line_exits_2() {
    assert_eq!(run(orders().arg("--help"), "").0, 0);
    assert!(run(orders().arg("--version"), "").1.contains(env!("CARGO_PKG_VERSION")));
    let (code, _, err) = run(orders().arg("lst"), "");
    assert!(code == 2 && err.contains("list"), "{err}");
    for args in [
        &["dev", "--send", "orders={"][..],
        &["dev", "--send", "orders"],
        &["dev", "--header", "a=b"],
        &["--skip", "orders:1"],
        &["-X", "linger"],
        &["--nope"],
        &["list", "more"],
    ] {
        let (code, out, err) = run(orders().args(args), "");
        assert!(code == 2 && out.is_empty() && err.contains("--help"), "{args:?}: {code} {err}");
    }
    let (code, _, err) = run(orders().args(["dev", "--send", "nope=1"]), "");
    assert!(code == 2 && err.contains("no handler reads `nope`: there are orders"), "{code} {err}");
}

#[test]
fn a_wrong_line_of_a_piped_input_is_in_the_exit_code() {
    let good = "orders {\"id\":1,\"item\":\"ink\",\"quantity\":1}\n";
    assert_eq!(run(orders().arg("dev"), good).0, 0);
    for (wrong, said) in [("nope 1\n", "no handler reads `nope`"), ("orders {\"id\"\n", "is not JSON")] {
        let (code, out, _) = run(orders().arg("dev"), &format!("{wrong}{good}"));
        assert!(code == 2 && out.contains(said), "{code}: {out}");
        assert!(out.contains("bill: handled"), "the good line is sent all the same: {out}");
    }
}

#[test]
fn a_record_that_goes_on_in_a_retry_topic_is_logged_as_moved() {
    let mut command = Command::new(crate::program::example("retry_topics"));
    command.env("RUST_LOG", "info").args(["dev", "--send", r#"charges={"id":1,"answers_at":2}"#]);
    let (_, _, err) = run(&mut command, "");
    assert!(err.contains("moved to a retry topic after 1 attempt"), "{err}");
}

#[test]
fn dev_says_what_it_waits_for() {
    let mut command = Command::new(crate::program::example("retry_topics"));
    command.env_remove("RUST_LOG").args(["dev", "--send", r#"charges={"id":1,"answers_at":3}"#]);
    let (code, out, _) = run(&mut command, "");
    assert_eq!(code, 0, "{out}");
    let waits = "waiting: charges-payments-retry-5s/0 offset 0  charge: its next attempt is due in ";
    assert!(out.contains(waits), "{out}");
    let told =
        out.lines().filter(|line| line.contains("charges-payments-retry-5s/0 offset 0  charge: its next"));
    assert_eq!(told.count(), 1, "not again and again: {out}");
}

#[test]
fn what_is_wrong_is_said_at_start_with_the_cure() {
    for (args, brokers, said) in [
        (&["-X", "lingr.ms=5"][..], "localhost:9092", "linger.ms"),
        (&["-X", "enable.auto.commit=false"], "localhost:9092", "enable.auto.commit"),
        (&[], "9092", "9092"),
        (&["--skip", "nope:0:1"], "localhost:9092", "nope"),
    ] {
        let mut command = orders();
        command.args(args);
        if !brokers.is_empty() {
            command.env("KAFKA_BROKERS", brokers);
        }
        let (code, _, err) = run(&mut command, "");
        assert!(code == 1 && err.contains(said), "{args:?} {brokers}: exit {code}: {err}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_service_as_sigterm_does() {
    for signal in ["-INT", "-TERM"] {
        let mut child = orders()
            .arg("dev")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // Open until the end: it is not the end of the input that ends it.
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(b"orders {\"id\":1,\"item\":\"pen\",\"quantity\":2}\n").expect("it reads");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (told, handled) = channel();
        let reader = thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            told.send(read.map(|_| line)).expect("awaited");
            stdout.read_to_end(&mut Vec::new())
        });
        let line = handled.recv_timeout(Duration::from_secs(20));
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        let output = wait(child);
        drop(stdin);
        reader.join().expect("no panic").expect("read to its end");
        let line = line.expect("in time").expect("text");
        assert_eq!(line, "orders/0 offset 0  bill: handled, 1 to publish\n", "{signal}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(sent.success() && output.status.code() == Some(0), "{signal}: {:?}, {said}", output.status);
    }
}

#[cfg(unix)]
#[test]
fn an_unreachable_broker_is_named_within_2_s_and_sigterm_ends_the_wait() {
    // Nobody listens there: the port is free again.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let mut child = orders()
        .env("KAFKA_BROKERS", &address)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let (lines, told) = channel();
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    let reader =
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
    let began = Instant::now();
    let named = std::iter::from_fn(|| told.recv_timeout(Duration::from_secs(5)).ok())
        .find(|line| line.contains(&address));
    let after = began.elapsed();
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    let began = Instant::now();
    let status = wait(child).status;
    assert!(named.is_some(), "the address was not named");
    // What is allowed is 2 s; a busy machine starts a process late.
    assert!(after < Duration::from_millis(2_500), "named after {after:?}");
    assert!(sent.success() && status.code() == Some(0) && began.elapsed() < Duration::from_secs(10));
    reader.join().expect("read to its end");
}

//! Finds a broker that answers, but names an address to its clients that they cannot reach
//! (`advertised.listeners`), the usual mistake with Kafka in a container.
//!
//! librdkafka logs only that it cannot connect to an address that nobody gave it. The startup uses this to say
//! where the address comes from, and how to fix it.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rdkafka::metadata::Metadata;

/// How long an address may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How many of the advertised addresses are tried, all at once.
const MOST: usize = 16;

/// Returns the log line if none of the brokers in this answer can be reached at its advertised address; `None` if
/// one can.
///
/// Blocks for at most 3 s. Tries nothing if one of the addresses is in `bootstrap`: the answer came from there.
pub(crate) fn unreachable(metadata: &Metadata, bootstrap: &str) -> Option<String> {
    let told: Vec<_> =
        metadata.brokers().iter().map(|broker| (broker.host().to_owned(), broker.port())).collect();
    unreachable_of(told, bootstrap)
}

/// The same for a list of addresses. One that accepts a connection is enough.
fn unreachable_of(told: Vec<(String, i32)>, bootstrap: &str) -> Option<String> {
    // The answer came from one of these.
    let is_known =
        |(host, port): &(String, i32)| bootstrap.split(',').any(|known| known == format!("{host}:{port}"));
    if told.is_empty() || told.iter().any(is_known) {
        return None;
    }
    let (answer, answers) = channel();
    let tried = told.len().min(MOST);
    for (host, port) in told.iter().take(MOST).cloned() {
        let answer = answer.clone();
        let connect = move || {
            let result = connect(&host, port);
            // Nobody listens any more if another one was reached.
            let _ = answer.send(result);
        };
        if thread::Builder::new().name("faststream-connect".into()).spawn(connect).is_err() {
            return None;
        }
    }
    let mut reason = format!("no answer within {CONNECT:?}");
    for _ in 0..tried {
        match answers.recv_timeout(CONNECT) {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => reason = error,
            Err(_) => break,
        }
    }
    let told: Vec<_> = told.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    Some(message(&told.join(", "), &reason))
}

/// Opens and closes a TCP connection. The error is the last one of the host's addresses.
fn connect(host: &str, port: i32) -> Result<(), String> {
    let port = u16::try_from(port).map_err(|_| format!("{port} is no port"))?;
    let addresses = (host, port).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut reason = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => return Ok(()),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

/// Returns the same log line if the library's last error is about an address that nobody gave it:
/// `host:port/NODE: Connect to ... failed: ...`. Needs no connection, so it also finds what a metadata request
/// hides.
pub(crate) fn named_in(trouble: &str, bootstrap: &str) -> Option<String> {
    let (broker, reason) = trouble.split_once(": ")?;
    let (address, node) = broker.rsplit_once('/')?;
    let address = address.rsplit_once("://").map_or(address, |(_, address)| address);
    // A broker that was given has a word there.
    let is_told = !node.is_empty() && node.chars().all(|digit| digit.is_ascii_digit());
    (is_told && !bootstrap.split(',').any(|known| known == address)).then(|| message(address, reason))
}

/// Returns the log line, to follow the cluster's name.
fn message(told: &str, reason: &str) -> String {
    format!(
        "answered, and told to connect to {told} (its advertised listener), which cannot be reached ({reason}), waiting for it: \
         mend `advertised.listeners` of the broker, or the way to that address"
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_that_nobody_gave_and_that_cannot_be_reached_is_named() {
        let trouble = "127.0.0.1:41299/1: Connect to ipv4#127.0.0.1:41299 failed: Connection refused";
        let said = named_in(trouble, "127.0.0.1:41200").expect("it was told");
        assert!(
            said.starts_with("answered, and told to connect to 127.0.0.1:41299 (its advertised listener)"),
            "{said}"
        );
        assert_eq!(named_in(trouble, "a:1,127.0.0.1:41299"), None);
        let ssl = "ssl://kafka-1:9093/12: Connect failed";
        assert!(named_in(ssl, "kafka:9093").is_some_and(|said| said.contains("kafka-1:9093")));
        for other in
            ["127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed", "no error", "a: b", "a/: b"]
        {
            assert_eq!(named_in(other, "127.0.0.1:41200"), None, "{other}");
        }
    }

    #[test]
    fn one_broker_that_can_be_reached_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let open = i32::from(listener.local_addr().expect("its address").port());
        let told =
            |ports: &[i32]| ports.iter().map(|port| ("127.0.0.1".to_owned(), *port)).collect::<Vec<_>>();
        assert_eq!(unreachable_of(told(&[1, open]), "localhost:9"), None);
        assert_eq!(unreachable_of(told(&[1]), "127.0.0.1:1"), None, "it came from there");
        assert_eq!(unreachable_of(Vec::new(), "127.0.0.1:1"), None);
        let said = unreachable_of(told(&[1, 2]), "localhost:9").expect("neither");
        assert!(said.contains("127.0.0.1:1, 127.0.0.1:2") && said.contains("refused"), "{said}");
        let nobody =
            unreachable_of(vec![("no.such.host.invalid".into(), 9092)], "localhost:9").expect("no such host");
        assert!(nobody.contains("no.such.host.invalid:9092"), "{nobody}");
    }
}

//! The brokers' addresses, `host:port,host:port`: checked at startup, normalised for the library, and masked for
//! logs.
//!
//! A typo in one of several addresses would otherwise go unnoticed while the other brokers answer. Here every
//! wrong address is a fault with the text to write instead. Nothing is resolved or connected to.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::secrets::STARS;

/// What may precede `://`: the values of `security.protocol`, as in a listener of a broker's configuration.
const PROTOCOLS: &[&str] = &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
/// The port of an address without one, as in the library.
const PORT: u16 = 9092;

/// One parsed address.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// The protocol before `://`, in lower case; `None` without one.
    protocol: Option<String>,
    /// Host and port: `kafka:9092`, `[::1]:9092`. A missing port is added.
    place: String,
}

/// Returns what is wrong with the list, a sentence for each fault: what was found and what to write. `security` is
/// the `security.protocol` of the client, and who set it.
///
/// A list with a user is one fault: nothing else about it can be printed safely. Protocols before the hosts have
/// to agree with each other and with `security`, because a client has one protocol.
pub(super) fn faults(brokers: &str, (security, set_by): (&str, &str)) -> Vec<String> {
    if brokers.contains('@') {
        let shown = shown(brokers);
        return vec![format!(
            "{shown:?} holds a user; write host:port alone, and the login as sasl.username and sasl.password"
        )];
    }
    let (mut protocols, mut faults) = (Vec::new(), Vec::new());
    let mut is_empty = true;
    for address in entries(brokers) {
        is_empty = false;
        match parse(address) {
            Ok(Address { protocol: Some(protocol), .. }) if !protocols.contains(&protocol) => {
                protocols.push(protocol);
            }
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
    }
    if is_empty {
        faults.push("no address is given; write host:port, as in localhost:9092".into());
    }
    let named = protocols.iter().map(|protocol| protocol.to_uppercase()).collect::<Vec<_>>();
    match protocols.as_slice() {
        [one] if !one.eq_ignore_ascii_case(security) => faults.push(format!(
            "the address says {named}, security.protocol is {security} ({set_by}): set security.protocol={one}, or leave \
             {named}:// out",
            named = named[0]
        )),
        [] | [_] => {}
        _ => faults.push(format!(
            "the addresses say {}, and a client has one security.protocol ({security}, {set_by}): name the listeners of that \
             one, and leave what stands before the hosts out",
            named.join(" and ")
        )),
    }
    faults
}

/// Returns the list for the library: each address once, with its port and without a protocol. An address that
/// cannot be parsed is kept as it is; `faults` refuses it before a client is created.
pub(super) fn plain(brokers: &str) -> String {
    let mut places: Vec<String> = Vec::new();
    for address in entries(brokers) {
        let place = parse(address).map_or_else(|_| address.to_owned(), |address| address.place);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.join(",")
}

/// Returns the list as it may be printed: stars for users and for words in place of a port, `...` for the rest
/// after a character that no address contains.
pub(super) fn shown(brokers: &str) -> Cow<'_, str> {
    if let Some(at) = brokers.rfind('@') {
        return Cow::Owned(format!("{STARS}{}", shown_all(&brokers[at..])));
    }
    let shown = shown_all(brokers);
    if shown == brokers { Cow::Borrowed(brokers) } else { Cow::Owned(shown) }
}

/// Masks each address of a list.
fn shown_all(brokers: &str) -> String {
    brokers.split(',').map(shown_one).collect::<Vec<_>>().join(",")
}

/// Masks one address. The result may be printed even if a password was given in place of the address.
fn shown_one(address: &str) -> String {
    let (protocol, rest) = match address.split_once("://") {
        Some((protocol, rest)) if protocol.trim().chars().all(|c| c.is_ascii_alphabetic() || c == '_') => {
            (format!("{protocol}://"), rest)
        }
        _ => (String::new(), address),
    };
    let is_of_address = |c: char| c.is_ascii_alphanumeric() || " .-_:[]%@".contains(c);
    let end = rest.find(|c| !is_of_address(c)).unwrap_or(rest.len());
    let cut = if end < rest.len() { "..." } else { "" };
    let rest = &rest[..end];
    // A name and a password are written with a colon, too.
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && !port.trim().chars().all(|c| c.is_ascii_digit()) => {
            format!("{protocol}{host}:{STARS}{cut}")
        }
        _ => format!("{protocol}{rest}{cut}"),
    }
}

/// Yields the addresses without surrounding spaces. Empty entries, from surplus commas, are skipped.
fn entries(brokers: &str) -> impl Iterator<Item = &str> {
    brokers.split(',').map(str::trim).filter(|address| !address.is_empty())
}

/// Parses one address. The error is a sentence with the masked address and what to write instead.
fn parse(address: &str) -> Result<Address, String> {
    let shown = shown_one(address);
    let (protocol, bare) = match address.split_once("://") {
        Some((protocol, bare)) => (Some(protocol.to_lowercase()), bare),
        None => (None, address),
    };
    if let Some(protocol) = &protocol
        && !PROTOCOLS.contains(&protocol.as_str())
    {
        return Err(format!("{shown:?} is a URL; write host:port, as in localhost:9092"));
    }
    if address.parse::<u64>().is_ok() {
        return Err(format!("{shown:?} is a port alone; write host:port, as in localhost:{address}"));
    }
    if bare.contains(['"', '\'']) {
        return Err("an address is in quotes, which are part of the value here: remove them".into());
    }
    if bare.contains(|letter: char| letter.is_whitespace() || letter == ';') {
        return Err(format!(
            "{shown:?} has no valid host; write host:port, and commas between several addresses"
        ));
    }
    let (host, port) = match bare.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(None) => return Err(format!("{shown:?} lacks the closing bracket of an IPv6 address")),
        Some(Some((host, rest))) => {
            let is_ip = host.split('%').next().is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
            let port = if rest.is_empty() { Some(None) } else { rest.strip_prefix(':').map(Some) };
            match port.filter(|_| is_ip) {
                Some(port) => (format!("[{host}]"), port),
                None => return Err(format!("{shown:?} is no IPv6 address; write it as in [::1]:9092")),
            }
        }
        None if bare.matches(':').count() > 1 => {
            return Err(format!("{shown:?} has several colons; write an IPv6 address as [::1]:9092"));
        }
        None => {
            bare.split_once(':').map_or((bare.to_owned(), None), |(host, port)| (host.to_owned(), Some(port)))
        }
    };
    let is_of_host = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    if !host.starts_with('[') && (host.is_empty() || !host.chars().all(is_of_host)) {
        return Err(format!("{shown:?} has no valid host; write host:port, as in localhost:9092"));
    }
    let digits = |port: &&str| port.chars().all(|digit| digit.is_ascii_digit());
    match port.map(|port| Some(port).filter(digits)?.parse::<u16>().ok().filter(|port| *port > 0)) {
        None => Ok(Address { protocol, place: format!("{host}:{PORT}") }),
        Some(Some(port)) => Ok(Address { protocol, place: format!("{host}:{port}") }),
        Some(None) => Err(format!("{shown:?} has no valid port; a port is a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAINTEXT: (&str, &str) = ("plaintext", "nobody set it");

    #[test]
    fn lists_of_hosts_and_ports_pass() {
        for (good, plainly) in [
            ("localhost:9092", "localhost:9092"),
            ("a:1, b:65535,", "a:1,b:65535"),
            (",, a:1 ,,a:1, a:01", "a:1"),
            ("kafka", "kafka:9092"),
            ("[::1]:9092", "[::1]:9092"),
            ("[::1],[fe80::1%eth0]:9", "[::1]:9092,[fe80::1%eth0]:9"),
            ("plaintext://kafka_1.example.com:9093", "kafka_1.example.com:9093"),
            ("PLAINTEXT://10.0.0.1:9092", "10.0.0.1:9092"),
            ("a:9092\n", "a:9092"),
        ] {
            assert_eq!(faults(good, PLAINTEXT), Vec::<String>::new(), "{good}");
            assert_eq!(plain(good), plainly, "{good}");
        }
    }

    #[test]
    fn each_wrong_address_is_told_with_what_to_write() {
        for (bad, part) in [
            ("", "no address is given"),
            (" , ", "no address is given"),
            ("9092", "is a port alone; write host:port, as in localhost:9092"),
            ("kafka:port", "no valid port"),
            ("kafka:0", "no valid port"),
            ("kafka:70000", "no valid port"),
            ("kafka:+9092", "no valid port"),
            ("kafka:", "no valid port"),
            (":9092", "no valid host"),
            ("SSL://", "no valid host"),
            ("http://kafka:9092", "is a URL"),
            ("kafka://kafka:9092", "is a URL"),
            ("::1:9092", "write an IPv6 address as [::1]:9092"),
            ("[::1:9092", "closing bracket"),
            ("[::1]9092", "is no IPv6 address"),
            ("[kafka]:9092", "is no IPv6 address"),
            ("user@kafka:9092", "holds a user"),
            ("a:9092 b:9092", "commas between"),
            ("a:9092;b:9092", "commas between"),
            ("\"a:9092\"", "in quotes"),
            ("kafka:9092/path", "no valid port"),
        ] {
            let found = faults(bad, PLAINTEXT);
            assert!(found[0].contains(part), "{bad}: {found:?}");
            assert_eq!(found.len(), if bad == "SSL://" { 1 } else { found.len().min(1) }, "{bad}: {found:?}");
        }
        assert_eq!(faults("9092,kafka:x", PLAINTEXT).len(), 2);
    }

    #[test]
    fn a_protocol_in_an_address_has_to_be_that_of_the_client() {
        assert_eq!(
            faults("SSL://h:9093", PLAINTEXT),
            [
                "the address says SSL, security.protocol is plaintext (nobody set it): set security.protocol=ssl, or leave \
              SSL:// out"
            ]
        );
        assert_eq!(faults("sasl_ssl://h:1,SASL_SSL://i:1,j:1", ("SASL_SSL", "f:1")), Vec::<String>::new());
        let other = faults("sasl_ssl://h:1", ("ssl", "the variable KAFKA__SECURITY_PROTOCOL"));
        assert!(
            other[0].contains("says SASL_SSL, security.protocol is ssl (the variable KAFKA__"),
            "{other:?}"
        );
        let mixed = faults("SSL://a:1,plaintext://b:1", PLAINTEXT);
        assert_eq!(mixed.len(), 1, "{mixed:?}");
        assert!(mixed[0].contains("the addresses say SSL and PLAINTEXT"), "{mixed:?}");
    }

    #[test]
    fn no_user_and_nothing_that_is_no_address_is_shown() {
        for (brokers, what_is_shown) in [
            ("a:9092, b:9092", "a:9092, b:9092"),
            ("user:hunter2@kafka:9092", "***@kafka:9092"),
            ("a:1,user:hun,ter2@b:1", "***@b:1"),
            ("SSL://u:hunter2@kafka:9092", "***@kafka:9092"),
            ("alice:hunter2", "alice:***"),
            ("kafka://h:9092?password=hunter2", "kafka://h:9092..."),
            ("Endpoint=sb://x/;SharedAccessKey=hunter2", "Endpoint..."),
            ("PLAIN;alice;hunter2", "PLAIN..."),
            ("[::1]:9092", "[::1]:9092"),
        ] {
            assert_eq!(shown(brokers), what_is_shown);
            assert!(!faults(brokers, PLAINTEXT).concat().contains("ter2"), "{brokers}");
        }
    }
}

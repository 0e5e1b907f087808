//! The brokers' addresses: `host:port,host:port`.

/// What is wrong with the list, one sentence fragment each: what was found and what to write.
pub(super) fn faults(brokers: &str) -> Vec<String> {
    let addresses: Vec<_> = brokers.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
    if addresses.is_empty() {
        return vec!["no address is given; write host:port, as in localhost:9092".into()];
    }
    addresses.into_iter().filter_map(fault).collect()
}

fn fault(address: &str) -> Option<String> {
    // The library takes `PROTOCOL://host:port`, too.
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_lowercase());
    let is_protocol =
        |scheme: &String| matches!(scheme.as_str(), "plaintext" | "ssl" | "sasl_plaintext" | "sasl_ssl");
    if let Some(scheme) = scheme.filter(|scheme| !is_protocol(scheme)) {
        return Some(format!("{address:?} is a URL ({scheme}); write host:port, as in localhost:9092"));
    }
    if address.parse::<u64>().is_ok() {
        return Some(format!("{address:?} is a port alone; write host:port, as in localhost:{address}"));
    }
    let (host, port) = match bare.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(None) => return Some(format!("{address:?} lacks the closing bracket of an IPv6 address")),
        Some(Some((host, rest))) => (host, rest.strip_prefix(':')),
        None if bare.matches(':').count() > 1 => {
            return Some(format!("{address:?} has several colons; write an IPv6 address as [::1]:9092"));
        }
        None => bare.split_once(':').map_or((bare, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || host.contains(|letter: char| letter.is_whitespace() || "/@?#".contains(letter)) {
        return Some(format!("{address:?} has no valid host; write host:port, as in localhost:9092"));
    }
    match port.map(str::parse::<u16>) {
        // Without a port it is 9092.
        None => None,
        Some(Ok(port)) if port > 0 => None,
        Some(_) => Some(format!("{address:?} has no valid port; a port is a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_hosts_and_ports_pass() {
        for good in [
            "localhost:9092",
            "a:1, b:65535,",
            "kafka",
            "[::1]:9092",
            "SSL://kafka.example.com:9093",
            "10.0.0.1:9092",
        ] {
            assert_eq!(faults(good), Vec::<String>::new(), "{good}");
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
            ("kafka:", "no valid port"),
            (":9092", "no valid host"),
            ("http://kafka:9092", "is a URL"),
            ("::1:9092", "write an IPv6 address as [::1]:9092"),
            ("[::1:9092", "closing bracket"),
            ("user@kafka:9092", "no valid host"),
            ("a b:9092", "no valid host"),
        ] {
            let found = faults(bad);
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert!(found[0].contains(part), "{bad}: {found:?}");
        }
        assert_eq!(faults("9092,kafka:x").len(), 2);
    }
}

//! Reads and writes single headers.

use bytes::Bytes;

use crate::record::Record;

/// The longest error message in a header, in bytes. Brokers count headers as part of the record's size.
const MESSAGE: usize = 4096;

/// Headers to be written: names and values.
pub(super) type Headers = Vec<(Bytes, Option<Bytes>)>;

/// Returns the record's headers without these names, whatever group wrote them: a handler may have passed on a
/// record with all its headers.
pub(super) fn without(record: &Record<'_>, names: &[&[&str]]) -> Headers {
    let is_one = |name: &[u8]| names.iter().copied().flatten().any(|known| known.as_bytes() == name);
    let own = record.headers().filter(|(name, _)| !is_one(name));
    own.map(|(name, value)| (Bytes::copy_from_slice(name), value.map(Bytes::copy_from_slice))).collect()
}

/// Adds a header.
pub(super) fn add(headers: &mut Headers, name: &'static str, value: impl Into<Bytes>) {
    headers.push((Bytes::from_static(name.as_bytes()), Some(value.into())));
}

/// Returns the number in a header; `None` if it is missing or no number of this type.
pub(super) fn number<T: std::str::FromStr>(record: &Record<'_>, name: &str) -> Option<T> {
    std::str::from_utf8(record.header(name)?).ok()?.parse().ok()
}

/// Returns as much of an error message as a header takes, cut between two characters.
pub(super) fn cut(message: &str) -> String {
    let mut end = message.len().min(MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_at_4_kib_and_never_within_a_character() {
        assert_eq!(cut("why"), "why");
        let long = "ä".repeat(4_000);
        assert_eq!(cut(&long).len(), MESSAGE);
        assert_eq!(cut(&format!("x{long}")).len(), MESSAGE - 1);
    }
}

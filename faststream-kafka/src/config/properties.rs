//! Reads a properties file: what `KAFKA_CONFIG` names. Java's format, as far as client settings use it.

/// One setting of a file, and the line where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// Reads `key=value` lines; `#` and `!` begin a comment, a backslash at the end continues on the next line.
///
/// Returns the settings, and for every line that is none of these its number and what was expected.
pub(super) fn parse(text: &str) -> (Vec<Line>, Vec<(usize, String)>) {
    let (mut settings, mut faults) = (Vec::new(), Vec::new());
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut logical = line.trim().to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while logical.ends_with('\\') {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim());
        }
        let number = index + 1;
        match logical.split_once(['=', ':']) {
            Some((key, value)) if !key.trim().is_empty() => {
                settings.push(Line { number, key: key.trim().into(), value: value.trim().into() });
            }
            // The line is not repeated: it may be half of a secret.
            _ => faults.push((number, "expected key=value".to_owned())),
        }
    }
    (settings, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_comments_and_continued_lines_are_read() {
        let text = "# broker\nbootstrap.servers = a:9092,b:9092\n\n! old\nsasl.password=x=y \\\n   z\nclient.id: me\n";
        let (settings, faults) = parse(text);
        let settings: Vec<_> = settings.into_iter().map(|line| (line.number, line.key, line.value)).collect();
        let expected = [
            (2, "bootstrap.servers", "a:9092,b:9092"),
            (5, "sasl.password", "x=y z"),
            (7, "client.id", "me"),
        ];
        assert_eq!(settings, expected.map(|(number, key, value)| (number, key.into(), value.into())));
        assert_eq!(faults, []);
    }

    #[test]
    fn a_line_that_is_no_setting_is_named_but_not_repeated() {
        let (settings, faults) = parse("client.id=a\nhunter2\n=b\n");
        assert_eq!(settings.len(), 1);
        assert_eq!(faults, [(2, "expected key=value".to_owned()), (3, "expected key=value".to_owned())]);
    }
}

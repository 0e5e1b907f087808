//! Reads a properties file in the format of Java's `java.util.Properties`: the file that `KAFKA_CONFIG` names.
//!
//! It is written here because the crates for this format do not report the line of a setting, and a fault has to
//! name it. It differs from Java in two points, as Kafka's own clients do: unescaped whitespace at the end of a
//! value is dropped, and the text is UTF-8 if it is valid UTF-8, otherwise ISO-8859-1.
//!
//! Pure text work: no file and no setting is touched here.

/// One setting of a file, and the line where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The number of the line where the setting begins; the first line of a file is 1.
    pub(super) number: usize,
    /// The name, with its escapes undone. Not checked.
    pub(super) key: String,
    /// Empty if the line is a key alone.
    pub(super) value: String,
}

/// Returns the text of a file, without a byte order mark. Never fails: every byte sequence is valid ISO-8859-1.
pub(super) fn decode(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

/// Reads `key=value`, `key: value` and `key value`. `#` and `!` begin a comment, an odd number of backslashes at
/// the end of a line continues it on the next one.
///
/// Returns the settings, and for every line that is none of these its number and what was expected. The line
/// itself is not in that text: it may be half of a secret.
pub(super) fn parse(text: &str) -> (Vec<Line>, Vec<(usize, String)>) {
    let (mut settings, mut faults) = (Vec::new(), Vec::new());
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').zip(1..);
    while let Some((line, number)) = lines.next() {
        let mut logical = line.trim_start_matches(is_space).to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while is_continued(&logical) {
            logical.pop();
            let Some((next, _)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(is_space));
        }
        // The line is not repeated: it may be half of a secret.
        match read(&logical) {
            Ok((key, _)) if key.is_empty() => faults.push((number, "expected key=value".to_owned())),
            Ok((key, value)) => settings.push(Line { number, key, value }),
            Err(fault) => faults.push((number, fault)),
        }
    }
    (settings, faults)
}

/// Returns whether a letter separates a key from its value, besides `=` and `:`. As in Java, other Unicode spaces
/// do not.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\u{c}')
}

/// Returns whether the next line belongs to this one: an odd number of backslashes at its end. Two are an escaped
/// backslash.
fn is_continued(line: &str) -> bool {
    line.chars().rev().take_while(|letter| *letter == '\\').count() % 2 == 1
}

/// Returns the key and the value of a logical line, without escapes. The key ends at the first unescaped space,
/// `=` or `:`; one `=` or `:` after spaces belongs to the separator.
fn read(line: &str) -> Result<(String, String), String> {
    let is_end = |(_, letter, is_escaped): &(usize, char, bool)| {
        !is_escaped && (is_space(*letter) || matches!(letter, '=' | ':'))
    };
    let end = letters(line).find(is_end).map_or(line.len(), |(at, ..)| at);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_space);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_space);
    let is_kept = |(_, letter, is_escaped): &(usize, char, bool)| *is_escaped || !is_space(*letter);
    let end = letters(value).filter(is_kept).last().map_or(0, |(at, letter, _)| at + letter.len_utf8());
    Ok((unescape(key)?, unescape(&value[..end])?))
}

/// Yields each letter with its byte offset, and whether the backslash before it escapes it.
fn letters(text: &str) -> impl Iterator<Item = (usize, char, bool)> {
    let mut is_escaped = false;
    text.char_indices().map(move |(at, letter)| {
        let was = is_escaped;
        is_escaped = letter == '\\' && !was;
        (at, letter, was)
    })
}

/// Undoes the escapes of a key or a value. `\uXXXX` is a UTF-16 unit, so a character beyond the first 65,536 takes
/// two of them. An unknown escape is the letter itself, as in Java.
fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::new();
    let mut letters = text.chars();
    let mut buffer = [0; 2];
    while let Some(letter) = letters.next() {
        let plain = match letter {
            '\\' => match letters.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    units.push(unit(&mut letters)?);
                    continue;
                }
                Some(other) => other,
            },
            plain => plain,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    String::from_utf16(&units)
        .map_err(|_| "a \\uXXXX is half a character: write both halves, or the character itself".to_owned())
}

/// Reads the four hexadecimal digits of a `\uXXXX`.
fn unit(letters: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: Vec<u32> = letters.take(4).map_while(|letter| letter.to_digit(16)).collect();
    if digits.len() < 4 {
        return Err("\\u needs four hexadecimal digits, as in \\u00e9; a backslash itself is \\\\".to_owned());
    }
    let unit = digits.into_iter().fold(0, |unit, digit| unit * 16 + digit);
    Ok(u16::try_from(unit).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn good(text: &str) -> Vec<(usize, String, String)> {
        let (settings, faults) = parse(text);
        assert_eq!(faults, [], "{text:?}");
        settings.into_iter().map(|line| (line.number, line.key, line.value)).collect()
    }

    #[track_caller]
    fn one(text: &str) -> (String, String) {
        let mut all = good(text);
        assert_eq!(all.len(), 1, "{text:?}: {all:?}");
        let (_, key, value) = all.remove(0);
        (key, value)
    }

    #[test]
    fn settings_comments_and_continued_lines_are_read() {
        let text = "# broker\nbootstrap.servers = a:9092,b:9092\n\n! old\nsasl.password=x=y \\\n   z\nclient.id: me\n";
        let expected = [
            (2, "bootstrap.servers", "a:9092,b:9092"),
            (5, "sasl.password", "x=y z"),
            (7, "client.id", "me"),
        ];
        assert_eq!(good(text), expected.map(|(number, key, value)| (number, key.into(), value.into())));
    }

    /// The examples of the documentation of `java.util.Properties.load`.
    #[test]
    fn the_examples_of_javas_documentation_are_read_as_there() {
        for text in ["Truth = Beauty", " Truth:Beauty", "Truth                    :Beauty"] {
            assert_eq!(one(text), ("Truth".into(), "Beauty".into()));
        }
        let fruits = "fruits                           apple, banana, pear, \\\n                                  cantaloupe, \
                      watermelon, \\\n                                  kiwi, mango";
        let value = "apple, banana, pear, cantaloupe, watermelon, kiwi, mango";
        assert_eq!(one(fruits), ("fruits".into(), value.into()));
        assert_eq!(one("cheeses"), ("cheeses".into(), String::new()));
        assert_eq!(one("\\:\\==x"), (":=".into(), "x".into()));
    }

    #[test]
    fn a_line_is_continued_by_an_odd_number_of_backslashes_only() {
        let two = |text, first: &str, second: &str| {
            assert_eq!(
                good(text),
                [(1, "a".into(), first.into()), (2, "b".into(), second.into())],
                "{text:?}"
            );
        };
        two("a=abc\\\\\nb=77", "abc\\", "77");
        two("a=abc\\\\\\\\\nb=77", "abc\\\\", "77");
        assert_eq!(one("a=abc\\\\\\\nb=77"), ("a".into(), "abc\\b=77".into()));
        assert_eq!(one("a=x\\\n# no comment"), ("a".into(), "x# no comment".into()));
        assert_eq!(good("# comment \\\na=1"), [(2, "a".into(), "1".into())]);
        assert_eq!(good("a=1\\\n\nb=2"), [(1, "a".into(), "1".into()), (3, "b".into(), "2".into())]);
        for last in ["a=1\\", "a=1\\\n", "a=1\\\n   "] {
            assert_eq!(one(last), ("a".into(), "1".into()), "{last:?}");
        }
        assert_eq!(one("\\\n  a=1"), ("a".into(), "1".into()));
    }

    #[test]
    fn escapes_are_undone_as_in_java() {
        for (escaped, plain) in [
            ("p\\\\w", "p\\w"),
            ("\\:\\=\\#\\!\\ ", ":=#! "),
            ("a\\tb\\nc\\rd\\fe", "a\tb\nc\rd\u{c}e"),
            ("\\u0041\\u00e9\\u00C9\\u20ac", "AéÉ€"),
            ("\\ud83d\\ude00", "😀"),
            ("\\q\\'\\\"\\z", "q'\"z"),
            ("\\ leading", " leading"),
            ("trailing \t\u{c}", "trailing"),
            ("#!=:", "#!=:"),
            ("é", "é"),
        ] {
            assert_eq!(one(&format!("k={escaped}")), ("k".into(), plain.into()));
        }
        assert_eq!(one("a\\ key\\=\\:\\\\ = v"), ("a key=:\\".into(), "v".into()));
        assert_eq!(one("k\\u0065y=v"), ("key".into(), "v".into()));
    }

    #[test]
    fn key_and_value_are_parted_by_the_first_separator() {
        for text in ["k=v", "k:v", "k v", "k\tv", "k\u{c}v", " \t\u{c}k = v", "k  :  v", "k = v  "] {
            assert_eq!(one(text), ("k".into(), "v".into()), "{text:?}");
        }
        assert_eq!(one("k==v"), ("k".into(), "=v".into()));
        assert_eq!(one("k :=v"), ("k".into(), "=v".into()));
        assert_eq!(one("k = "), ("k".into(), String::new()));
    }

    #[test]
    fn every_end_of_line_counts() {
        let expected =
            [(1, "a".into(), "1".into()), (3, "b".into(), "23".into()), (5, "c".into(), "4".into())];
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(good(&["a=1", "", "b=2\\", " 3", "c=4"].join(end)), expected, "{end:?}");
        }
    }

    #[test]
    fn text_is_utf_8_if_it_can_be() {
        assert_eq!(decode("é".as_bytes()), "é");
        assert_eq!(decode(b"\xe9"), "é");
        assert_eq!(decode(b"\xef\xbb\xbfa=1"), "a=1");
    }

    #[test]
    fn a_line_that_is_no_setting_is_named_but_not_repeated() {
        let (settings, faults) =
            parse("client.id=a\n=hunter2\n: hunter2\nk=\\uhunter2\nk=\\u00\n\\ud800=hunter2\n");
        assert_eq!(settings.len(), 1);
        assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert!(faults[2].1.contains("four hexadecimal digits") && faults[4].1.contains("half a character"));
        assert!(faults.iter().all(|(_, fault)| !fault.contains("ter2")), "{faults:?}");
    }
}

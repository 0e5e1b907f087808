//! Texts of others, bounded to a length that a log can take: errors, payloads, messages of a broker.
//!
//! An error may quote a whole payload. Unbounded, it would be kept with each held record, and copied into each log
//! line.

use std::fmt::Write;

/// The longest text that is kept or logged, in bytes, its mark included. The same limit as of an error in a header
/// (`wire`), so that both show the same.
const LONGEST: usize = 4096;
/// The bytes reserved for the mark: enough for every number of bytes.
const MARK: usize = 48;

/// Returns the text, or its beginning with a mark that names its length. Costs nothing for a text of usual length.
///
/// The cut is between two characters. A text that was cut is not cut again.
#[must_use]
pub fn bounded(mut text: String) -> String {
    let length = text.len();
    if length > LONGEST {
        let mut end = LONGEST - MARK;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        // Writing to a string cannot fail.
        let _ = write!(text, " ... [cut: {length} bytes]");
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_usual_length_stays_as_it_is() {
        for text in [String::new(), "no price".to_owned(), "y".repeat(LONGEST)] {
            assert_eq!(bounded(text.clone()), text);
        }
    }

    #[test]
    fn a_longer_one_is_cut_between_two_characters_and_says_so() {
        for (text, length) in
            [("y".repeat(2_000_000), 2_000_000), ("äöü".repeat(1_000), 6_000), ("🦀".repeat(1_025), 4_100)]
        {
            let cut = bounded(text.clone());
            assert!(cut.len() <= LONGEST && cut.len() > LONGEST - MARK, "{}", cut.len());
            let (kept, mark) = cut.split_once(" ... [").expect("a mark");
            assert!(text.starts_with(kept));
            assert_eq!(mark, format!("cut: {length} bytes]"));
            assert_eq!(bounded(cut.clone()), cut, "what was cut is not cut again");
        }
    }
}

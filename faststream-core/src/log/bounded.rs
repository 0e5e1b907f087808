//! Texts of others, no longer than a log can take.

use std::fmt::Write;

/// No text of an error is kept or logged beyond this, in bytes, its mark counted.
const LONGEST: usize = 4096;
/// What the mark may take of it.
const MARK: usize = 48;

/// The text, or its beginning with a mark that says how long it was. Costs nothing for a text of usual length.
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

//! Finds out whether an attribute is inside an `impl`. A method cannot be a subscriber, and nothing in its own
//! tokens distinguishes an associated function from a free one: the compiler would report four errors about the
//! generated constant. So the source file is read.
//!
//! It looks at the indentation only, and is right for code that is formatted. A wrong answer is harmless: without
//! a hit, the compiler's own errors remain.

use std::fs;

/// Returns whether the attribute that is being expanded is inside an `impl` or a `trait`. False if the source
/// cannot be read. An attribute in the first column is not inside anything, so the file is read for few
/// attributes.
pub(crate) fn in_impl() -> bool {
    let here = proc_macro::Span::call_site();
    if here.column() == 1 {
        return false;
    }
    let text = here.local_file().and_then(|file| fs::read_to_string(file).ok());
    text.is_some_and(|text| is_in_impl(&text, here.line()))
}

/// Returns whether an `impl` or a `trait` encloses this line (the first is 1): goes up to the next line with a
/// smaller indentation.
fn is_in_impl(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let Some((here, above)) = lines.split_last() else { return false };
    let mut indent = indentation(here);
    for line in above.iter().rev() {
        let words = line.trim_start();
        let is_other =
            words.is_empty() || ["//", "#[", "/*", "*"].iter().any(|start| words.starts_with(start));
        if is_other || indentation(line) >= indent {
            continue;
        }
        if words != "{" && !words.starts_with("where") {
            return is_header(words);
        }
        // The header's last lines: its first one stands as far to the right.
        indent = indentation(line) + 1;
    }
    false
}

/// Returns how many bytes of whitespace a line begins with.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns whether a line begins an `impl` or a `trait`, with or without visibility.
fn is_header(words: &str) -> bool {
    let mut words = words.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let first =
        words.find(|word| !matches!(*word, "" | "pub" | "crate" | "super" | "in" | "unsafe" | "default"));
    matches!(first, Some("impl" | "trait"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the last line stands in an `impl`.
    fn last(text: &str) -> bool {
        is_in_impl(text, text.lines().count())
    }

    #[test]
    fn an_impl_is_known_by_its_header() {
        assert!(last("impl Service {\n    #[subscriber]"));
        assert!(last(
            "impl<T> Service<T>\nwhere\n    T: Copy,\n{\n    fn a() {\n        b();\n    }\n\n    #[subscriber]"
        ));
        assert!(last("mod a {\n    pub(crate) unsafe trait T {\n        // impl\n        #[subscriber]"));
    }

    #[test]
    fn what_stands_elsewhere_is_free() {
        assert!(!last("#[subscriber]"));
        assert!(!last("impl Service {}\n\nmod tests {\n    #[subscriber]"));
        assert!(!last("impl Service {\n    fn a() {\n        #[subscriber]"));
        assert!(!last("implement! {\n    #[subscriber]"));
    }
}

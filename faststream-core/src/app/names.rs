//! Which names an app accepts: of groups, apps, brokers and topics.

use crate::topic_name;

/// The longest text of Kafka's protocol, in bytes.
const LONGEST_TEXT: usize = 32_767;

/// Checks a name that may be anything, except for invisible characters.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), String> {
    let shown = name.escape_debug();
    if name.trim().is_empty() {
        Err(format!("{what} needs a name"))
    } else if name.chars().any(char::is_control) {
        Err(format!("`{shown}` holds a control character: write the name without it"))
    } else if name.trim() != name {
        Err(format!("`{shown}` begins or ends with a space: write the name without it"))
    } else if let Some(letter) = name.chars().find(|letter| is_unseen(*letter)) {
        Err(format!(
            "`{shown}` holds a character that nobody sees ({}), so it is not the name that it looks like: write it without",
            letter.escape_unicode()
        ))
    } else if name.len() > LONGEST_TEXT {
        Err(format!("it has {} bytes, and Kafka takes {LONGEST_TEXT}: write a shorter one", name.len()))
    } else {
        Ok(())
    }
}

/// Returns whether the character is a zero-width space, a mark of direction or of byte order, or a line break.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Checks a topic's name by Kafka's rules.
pub(super) fn check_topic(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("a topic needs a name".into())
    } else if !topic_name::is_legal(name) {
        Err(format!(
            "`{}` is no topic name: Kafka takes letters, digits, `.`, `_` and `-`, {} at most",
            name.escape_debug(),
            topic_name::LONGEST
        ))
    } else {
        Ok(())
    }
}

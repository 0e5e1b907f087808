//! Lists many partitions in one log line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A line lists at most this many ranges.
const MOST: usize = 10;

/// Returns `3 partitions`, `1 partition`.
pub(super) fn count(number: usize) -> String {
    if number == 1 { "1 partition".to_owned() } else { format!("{number} partitions") }
}

/// Returns `invoices/0-11, orders/2, orders/5-6`, by topic and number. A long list is cut, with the number of omitted
/// ones.
pub(super) fn list<'a>(partitions: impl IntoIterator<Item = (&'a str, i32)>) -> String {
    let mut topics: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().insert(partition);
    }
    let mut ranges: Vec<(&str, i32, i32)> = Vec::new();
    for (topic, partitions) in topics {
        for partition in partitions {
            match ranges.last_mut() {
                Some((last, _, end)) if *last == topic && *end + 1 == partition => *end = partition,
                _ => ranges.push((topic, partition, partition)),
            }
        }
    }
    let mut text = String::new();
    for (index, (topic, first, last)) in ranges.iter().take(MOST).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{topic}/{first}");
        if last > first {
            let _ = write!(text, "-{last}");
        }
    }
    let more: i32 = ranges.iter().skip(MOST).map(|(_, first, last)| last - first + 1).sum();
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_a_range() {
        let partitions = [("orders", 6), ("orders", 2), ("orders", 5), ("invoices", 0), ("invoices", 1)];
        assert_eq!(list(partitions), "invoices/0-1, orders/2, orders/5-6");
        assert_eq!(list([]), "");
    }

    #[test]
    fn a_long_list_is_cut_and_says_by_how_much() {
        let topics: Vec<String> = (10..25).map(|number| format!("t{number}")).collect();
        let partitions =
            topics.iter().flat_map(|topic| (0..100).map(move |partition| (topic.as_str(), partition)));
        let text = list(partitions);
        assert!(text.starts_with("t10/0-99, t11/0-99") && text.ends_with("t19/0-99 and 500 more"), "{text}");
    }
}

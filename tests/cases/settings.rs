//! Every setting is looked at where it is accepted: zero, too small, too large, contradicting others.

use std::collections::BTreeSet;
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{DeadLetterGuard, FastStream, GroupSettings, Retry};

const YEARS: Duration = Duration::from_secs(3 * 365 * 24 * 3600);

/// What an app of these handlers is refused for.
async fn said(app: FastStream, module: &str) -> String {
    let exit = app.name("settings").module(module).run_until(std::future::ready(())).await;
    assert!(exit.code <= 1, "{:?}", exit.messages);
    exit.messages.join("\n")
}

fn app() -> FastStream {
    FastStream::new(MemoryBroker::new())
}

/// The names of the fields that a `Debug` output of a struct has.
fn fields(debug: &str) -> BTreeSet<String> {
    let word = |line: &str| line.trim_start().split_once(": ").map(|(name, _)| name.to_owned());
    debug
        .lines()
        .filter(|line| line.starts_with("    ") && !line.starts_with("     "))
        .filter_map(word)
        .collect()
}

mod groups {
    use super::*;
    use faststream::subscriber;

    #[subscriber(topic = "orders")]
    async fn take(_order: u64) {}

    /// A setting, values that are refused, and a part of what is said.
    fn refused() -> Vec<(&'static str, GroupSettings, &'static str)> {
        let new = GroupSettings::new;
        let guard =
            |in_a_row, percent, of| new().dead_letter_guard(DeadLetterGuard::new(in_a_row, percent, of));
        vec![
            ("drain", new().drain(Duration::MAX), "`drain` is longer than 24 h"),
            ("commit_interval", new().commit_interval(Duration::ZERO), "`commit_interval` is 0ns"),
            (
                "commit_interval",
                new().commit_interval(Duration::from_micros(900)),
                "`commit_interval` is 900",
            ),
            ("commit_interval", new().commit_interval(YEARS), "it can be 1ms to 24 h"),
            ("max_uncommitted", new().max_uncommitted(0), "`max_uncommitted` is 0"),
            ("max_in_flight", new().max_in_flight(0), "`max_in_flight` is 0"),
            ("max_unconfirmed", new().max_unconfirmed(0), "`max_unconfirmed` is 0"),
            ("handler_ttl", new().handler_ttl(Duration::ZERO), "`handler_ttl` is 0ns"),
            ("handler_ttl", new().handler_ttl(Duration::from_nanos(1)), "`handler_ttl` is 1ns"),
            ("handler_ttl", new().handler_ttl(Duration::MAX), "to a year"),
            ("dead_letter_guard", guard(0, 0, 0), "`dead_letter_guard` has a limit of 0"),
            ("dead_letter_guard", guard(0, 90, 200), "has a limit of 0"),
            ("dead_letter_guard", guard(50, 0, 200), "has a limit of 0"),
            ("dead_letter_guard", guard(50, 90, 0), "has a limit of 0"),
            ("dead_letter_guard", guard(50, 90, u32::MAX), "remembers 100000"),
        ]
    }

    #[faststream::test]
    async fn every_setting_of_a_group_is_looked_at() {
        for (setting, settings, part) in refused() {
            let said = said(app().group_settings(settings), module_path!()).await;
            assert!(said.contains(part), "{setting}: {part} is missing in: {said}");
        }
        let looked_at: BTreeSet<_> = refused().into_iter().map(|(setting, ..)| setting.to_owned()).collect();
        // A closed set.
        let mut all = fields(&format!("{:#?}", GroupSettings::new()));
        all.remove("provision");
        assert_eq!(looked_at, all, "a setting is not looked at");
    }

    #[faststream::test]
    async fn what_is_at_the_edge_is_accepted() {
        let day = Duration::from_secs(24 * 3600);
        for settings in [
            GroupSettings::new().drain(Duration::ZERO),
            GroupSettings::new().drain(day).commit_interval(day),
            GroupSettings::new().max_uncommitted(1).max_in_flight(1).max_unconfirmed(1),
            GroupSettings::new()
                .max_uncommitted(u64::MAX)
                .max_in_flight(usize::MAX)
                .max_unconfirmed(usize::MAX),
            GroupSettings::new()
                .commit_interval(Duration::from_millis(1))
                .handler_ttl(Duration::from_millis(1)),
            GroupSettings::new().dead_letter_guard(DeadLetterGuard::new(1, 1, 1)),
            GroupSettings::new().dead_letter_guard(DeadLetterGuard::new(u32::MAX, u32::MAX, 100_000)),
        ] {
            let described = format!("{settings:?}");
            assert_eq!(said(app().group_settings(settings), module_path!()).await, "", "{described}");
        }
    }

    #[faststream::test]
    async fn retries_of_the_app_are_looked_at() {
        let second = Duration::from_secs(1);
        for (retry, part) in [
            (Retry::attempts(0), "0 attempts would never call a handler"),
            (Retry::default().with_attempts(0), "0 attempts would never call a handler"),
            (Retry::default().backoff(Duration::ZERO, second), "a hot loop"),
            (Retry::default().backoff(second * 2, second), "the other way round"),
            (Retry::default().backoff(second, YEARS), "hold up a partition"),
            (Retry::default().backoff(second, Duration::MAX), "hold up a partition"),
        ] {
            let said = said(app().retry(retry), module_path!()).await;
            assert!(said.contains("`.retry(..)`: ") && said.contains(part), "{retry:?}: {said}");
        }
        let most = Retry::attempts(u32::MAX).backoff(Duration::from_millis(1), Duration::from_millis(1));
        assert_eq!(said(app().retry(most), module_path!()).await, "");
    }

    #[faststream::test]
    async fn names_are_names() {
        for (name, part) in [
            ("", "needs a name"),
            (" \t", "needs a name"),
            ("bill\ning", "`bill\\ning` holds a control character"),
            ("bill\0ing", "control character"),
            ("billing ", "begins or ends with a space"),
            ("\u{feff}billing", "holds a character that nobody sees (\\u{feff})"),
            ("bill\u{200b}ing", "nobody sees"),
            ("\u{202e}gnillib", "nobody sees"),
            ("bill\u{2028}ing", "nobody sees"),
            (&"b".repeat(40_000), "it has 40000 bytes, and Kafka takes 32767"),
        ] {
            let exit = app().name(name).module(module_path!()).run_until(std::future::ready(())).await;
            let said = exit.messages.join("\n");
            assert!(
                exit.code == 1 && said.contains("the app's name") && said.contains(part),
                "{name:?}: {said}"
            );
        }
    }
}

/// A handler with one setting that is refused: the variable keeps it from being refused by the compiler.
macro_rules! refused {
    ($($name:ident: ($($setting:tt)*), $part:literal;)*) => {$(
        mod $name {
            use super::*;
            use faststream::subscriber;

            #[subscriber($($setting)*)]
            async fn take(_order: u64) {}

            #[faststream::test]
            async fn is_refused_with_its_place() {
                let said = said(app(), module_path!()).await;
                assert!(said.contains($part), "{} is missing in: {said}", $part);
                assert!(said.contains("settings.rs:"), "{said}");
            }
        }
    )*};
}

refused! {
    timeout_zero: (topic = "t", timeout = "${NOBODY:0s}"), "`timeout` is zero";
    timeout_huge: (topic = "t", timeout = "${NOBODY:9999999h}"), "`timeout` is longer than a year";
    timeout_overflow: (topic = "t", timeout = "${NOBODY:99999999999999999h}"), "is not a duration";
    drain_huge: (topic = "t", drain = "${NOBODY:25h}"), "`drain` is longer than 24 h";
    backoff_zero: (topic = "t", retry(backoff = "${NOBODY:0ms..1s}")), "hot loop";
    backoff_reversed: (topic = "t", retry(backoff = "${NOBODY:10s..1s}")), "other way round";
    backoff_huge: (topic = "t", retry(backoff = "${NOBODY:1s..25h}")), "hold up a partition";
    delay_huge: (topic = "t", retry(topics = ["99999h"])), "longer than a year";
    concurrency_huge: (topic = "t", order = None, concurrency = 20000), "`max_in_flight`";
    pattern_empty: (pattern = "${NOBODY:}"), "every topic";
    topic_empty: (topic = "${NOBODY:}"), "a topic needs a name";
    topic_control: (topic = "${NOBODY:a\nb}"), "`a\\nb` is no topic name";
    topic_zero: (topic = "${NOBODY:a\0b}"), "is no topic name";
    dead_letter_empty: (topic = "t", dead_letter = "${NOBODY:}"), "a topic needs a name";
    group_empty: (topic = "t", group = "${NOBODY: }"), "a group needs a name";
    group_control: (topic = "t", group = "${NOBODY:a\nb}"), "`a\\nb` holds a control character";
    group_zero: (topic = "t", group = "${NOBODY:a\0b}"), "control character";
    group_spaces: (topic = "t", group = "${NOBODY: a}"), "begins or ends with a space";
    group_unseen: (topic = "t", group = "${NOBODY:\u{feff}a}"), "nobody sees";
    nested: (topic = "${NOBODY:${NOR_THIS:x}}"), "a variable inside of another one";
    enabled_empty: (topic = "t", enabled = "${NOBODY:}"), "is neither `true` nor `false`";
    broker_empty: (topic = "t", broker = "${NOBODY:}"), "no broker named";
}

mod contradicting {
    use super::*;
    use faststream::subscriber;

    #[subscriber(topic = "t", timeout = "30s")]
    async fn take(_order: u64) {}

    #[faststream::test]
    async fn a_timeout_beyond_the_time_after_which_the_app_is_not_live_is_refused() {
        let settings = GroupSettings::new().handler_ttl(Duration::from_secs(10));
        let said = said(app().group_settings(settings), module_path!()).await;
        assert!(said.contains("`timeout` (30s) is longer than `handler_ttl` (10s)"), "{said}");
    }
}

//! Handlers as people write them: conditions and lints on them, lists with commas, names that meet the generated ones.

#![allow(
    clippy::non_minimal_cfg,
    clippy::trivially_copy_pass_by_ref,
    clippy::redundant_closure_call,
    clippy::unnecessary_wraps,
    clippy::wrong_self_convention,
    reason = "as people write them"
)]

use faststream::memory::MemoryBroker;
use faststream::{FastStream, Key, Publish, State, TestApp, publisher, subscriber};
use serde::{Deserialize, Serialize};

fn app(module: &str) -> FastStream {
    FastStream::new(MemoryBroker::new()).name("attributes").module(module)
}

mod conditions {
    use super::*;

    /// Never given to the app: whoever takes it does not start.
    #[allow(dead_code, reason = "compiled out")]
    struct Audit;

    #[subscriber(topic = "numbers")]
    async fn first(
        number: u64,
        #[cfg(any())] State(_audit): State<Audit>,
        #[cfg(all())] key: Option<Key<String>>,
    ) {
        assert_eq!((number, key.map(|key| key.0)), (7, None));
    }

    #[subscriber(topic = "others")]
    fn second(
        #[cfg_attr(all(), cfg(any()), allow(unused))] State(_audit): State<Audit>,
        #[cfg_attr(all(), cfg(all()))] number: u64,
        #[cfg(any())]
        #[allow(clippy::borrowed_box)]
        _never: Box<Audit>,
    ) {
        assert_eq!(number, 7);
    }

    #[faststream::test]
    async fn a_parameter_that_is_compiled_out_is_neither_read_nor_passed() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("numbers", &7).await;
        app.publish("others", &7).await;
        assert_eq!((app.calls("first").len(), app.calls("second").len()), (1, 1));
        assert!(app.held().is_empty(), "{:?}", app.held());
    }
}

#[deny(warnings, clippy::style)]
mod lints {
    use super::*;

    #[deprecated]
    #[derive(Deserialize, Serialize)]
    pub(crate) struct Old {
        pub(crate) a: u8,
    }

    #[allow(deprecated)]
    #[subscriber(topic = "old")]
    #[publisher(topic = "older", key = |old: &Old| old.a)]
    async fn allowed(old: Old) -> Old {
        old
    }

    #[subscriber(topic = "oldest")]
    #[expect(deprecated, reason = "taken, as it was sent")]
    async fn expected(old: Old, #[allow(deprecated)] _again: Option<Key<u8>>) {
        assert!(old.a > 0);
    }

    #[faststream::test]
    async fn what_a_handler_allows_is_allowed_in_what_is_generated() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("old", &serde_json::json!({ "a": 1 })).await;
        app.publish("oldest", &serde_json::json!({ "a": 1 })).await;
        assert_eq!(app.published::<serde_json::Value>("older").keys(), [Some("1".into())]);
        assert_eq!(app.calls("expected").len(), 1);
    }
}

mod lists {
    use super::*;

    fn pick<A: From<u8>, B>(number: &u64, add: A) -> u64
    where
        u64: From<A>,
    {
        let _: Option<B> = None;
        number + u64::from(add)
    }

    #[subscriber(topic = "numbers", retry(attempts = 1,), on_error = DeadLetter,)]
    #[publisher(topic = "turbofish", key = |number: &u64| pick::<u8, u16>(number, 1))]
    #[publisher(key = |number| -> u64 { let (one, two) = (1, 2); [number + one, two][0] }, topic = "block")]
    #[publisher(topic = "nested", key = |number: &u64| (|one: u64, two: u64| one | two)(*number, 2),)]
    #[publisher(topic = "generic", key = pick_one::<u8, u16>)]
    async fn keyed(number: u64) -> u64 {
        number
    }

    fn pick_one<A, B>(number: &u64) -> Option<String> {
        let _: Option<(A, B)> = None;
        Some(number.to_string())
    }

    #[faststream::test]
    async fn a_key_may_be_any_expression_with_commas_in_it() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("numbers", &4).await;
        for (topic, key) in [("turbofish", "5"), ("block", "5"), ("nested", "6"), ("generic", "4")] {
            assert_eq!(app.published::<u64>(topic).keys(), [Some(key.into())], "{topic}");
        }
    }
}

mod borrowed_keys {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Order {
        item: String,
        tags: Vec<u8>,
    }

    #[subscriber(topic = "orders")]
    #[publisher(topic = "by_item", key = |order: &Order| order.item.as_str())]
    #[publisher(topic = "by_reference", key = |order| &order.item)]
    #[publisher(topic = "by_bytes", key = |order: &Order| order.tags.first().map(|_| order.tags.as_slice()))]
    #[publisher(topic = "by_function", key = item)]
    async fn copy(order: Order) -> anyhow::Result<Option<Order>> {
        Ok(Some(order))
    }

    fn item(order: &Order) -> &str {
        &order.item
    }

    #[subscriber(topic = "wrapped")]
    #[publisher(topic = "out", key = |_: &Publish<u64>| "all")]
    fn wrapped(number: u64) -> Vec<Publish<u64>> {
        vec![Publish::new(number)]
    }

    #[subscriber(topic = "inside")]
    #[publisher(topic = "keyed", key = |order: &Publish<Order>| order.value().map(|order| order.item.as_str()))]
    fn inside(order: Order) -> Vec<Publish<Order>> {
        vec![Publish::new(order), Publish::maybe(None)]
    }

    #[faststream::test]
    async fn a_key_is_made_of_the_value_in_a_publish() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("inside", &Order { item: "pen".into(), tags: Vec::new() }).await;
        assert_eq!(app.published::<Order>("keyed").keys(), [Some("pen".into()), None]);
    }

    #[faststream::test]
    async fn a_key_may_borrow_from_the_value() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("orders", &Order { item: "pen".into(), tags: b"pen".to_vec() }).await;
        for topic in ["by_item", "by_reference", "by_bytes", "by_function"] {
            assert_eq!(app.published::<Order>(topic).keys(), [Some("pen".into())], "{topic}");
        }
        app.publish("wrapped", &1).await;
        assert_eq!(app.published::<u64>("out").keys(), [Some("all".into())]);
    }
}

#[allow(dead_code, non_upper_case_globals, non_camel_case_types)]
mod names {
    use super::*;

    trait Everything {
        fn tag(&self) {}
        fn take(&self) {}
        fn split_tag(&self) {}
        fn values_tag(&self) {}
        fn split(&self) {}
        fn values(&self) {}
        fn requires(&self) {}
        fn extract(&self) {}
        fn into_outcome(&self) {}
        fn into_outgoing(&self) {}
        fn into_bytes(&self) {}
    }

    impl<T> Everything for T {}

    // What a pattern of this name would mean.
    const read: u8 = 1;
    const slot: u8 = 1;
    const value: u8 = 1;
    static topics: u8 = 1;
    struct rejection;
    struct Some;
    struct Vec;
    fn delivery() {}

    #[subscriber(topic = "numbers")]
    #[publisher(topic = "copies", key = |number: &u64| *number)]
    async fn returned(number: u64, State(state): State<u8>) -> Result<Option<u64>, String> {
        Ok(Option::Some(number + u64::from(*state)))
    }

    #[subscriber(topic = "raw")]
    async fn r#match(r#type: u64) {
        assert_eq!(r#type, 7);
    }

    mod r#loop {
        use super::*;

        #[subscriber(topic = "inner")]
        async fn r#match(_number: u64) {}
    }

    #[faststream::test]
    async fn names_of_the_user_never_meet_those_of_the_generated_code() {
        let app = TestApp::start(app(module_path!()).state(1_u8)).await;
        app.publish("numbers", &4).await;
        assert_eq!(app.published::<u64>("copies").single(), 5);
    }

    #[faststream::test]
    async fn raw_names_are_shown_and_asked_for_without_their_mark() {
        let app = TestApp::start(super::app(&format!("{}::loop", module_path!()))).await;
        app.publish("inner", &7).await;
        assert_eq!(app.calls("match").len(), 1);
        app.shutdown().await;
        let app = TestApp::start(super::app(module_path!()).state(1_u8)).await;
        app.publish("raw", &7).await;
        let (outer, inner) =
            (format!("{}::match", module_path!()), format!("{}::loop::match", module_path!()));
        assert_eq!((app.calls(&outer).len(), app.calls(&inner).len()), (1, 0));
    }
}

mod constants {
    use super::*;

    /// Shared by handler, publisher and test.
    const NUMBERS: &str = "numbers";

    mod topics {
        pub(super) const DOUBLES: &str = concat!("all", ".", "doubles");
        pub(super) const BOTH: [&str; 2] = ["left", "${RIGHT:right}"];
    }

    const fn lost() -> &'static str {
        "numbers.lost"
    }

    #[subscriber(topic = NUMBERS, group = concat!("a", "-group"), dead_letter = lost(), retry(attempts = 1))]
    #[publisher(topic = topics::DOUBLES)]
    async fn double(number: u64) -> anyhow::Result<u64> {
        anyhow::ensure!(number > 0, "zero");
        Ok(2 * number)
    }

    #[subscriber(topics = [topics::BOTH[0], topics::BOTH[1], "third"])]
    async fn several(_number: u64) {}

    #[faststream::test]
    async fn names_of_topics_and_groups_may_be_constants() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish(NUMBERS, &4).await;
        app.publish(NUMBERS, &0).await;
        app.publish("right", &0).await;
        assert_eq!(app.published::<u64>(topics::DOUBLES).single(), 8);
        assert_eq!(app.dead_letters(NUMBERS).len(), 1);
        assert_eq!(app.calls("several").len(), 1);
    }
}

mod wrong_constants {
    use super::*;

    const EMPTY: &str = "";
    const ILLEGAL: &str = "my orders";
    const OPEN: &str = "${TOPIC";

    #[subscriber(topic = EMPTY, group = EMPTY)]
    #[publisher(topic = ILLEGAL)]
    async fn first(number: u64) -> u64 {
        number
    }

    #[subscriber(topics = ["a", OPEN], dead_letter = ILLEGAL)]
    async fn second(_number: u64) {}

    #[test]
    fn a_constant_that_is_no_name_is_a_fault_at_start_with_its_handler() {
        let faults =
            app(module_path!()).plan(faststream::LaunchOptions::default()).expect_err("faults").to_string();
        for part in [
            "`topic = \"\"`: a topic needs a name",
            "`group = \"\"`: a group needs a name",
            "`publisher = \"my orders\"`: `my orders` is no topic name",
            "`topics = \"${TOPIC\"`: ",
            "`dead_letter = \"my orders\"`",
            "wrong_constants::first (tests/cases/attributes.rs:",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
    }
}

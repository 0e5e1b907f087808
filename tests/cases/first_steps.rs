//! What a first day with the framework shows: start faults, dead letters.

use faststream::memory::MemoryBroker;
use faststream::{FastStream, Publish, TestApp, subscriber};

mod four_handlers {
    use super::*;

    #[subscriber(topic = "orders")]
    async fn bill(_order: u64) {}

    #[subscriber(topic = "orders")]
    async fn mail(_order: u64) {}

    #[subscriber(pattern = "^ord")]
    async fn count(_order: u64) {}

    #[subscriber(topics = ["returns", "orders"])]
    async fn pack(_order: u64) {}

    #[faststream::test]
    async fn handlers_of_one_topic_and_group_are_one_fault() {
        let app = FastStream::new(MemoryBroker::new()).name("shop").module(module_path!());
        let exit = app.run_until(std::future::ready(())).await;
        let said = exit.messages.join("\n");
        assert!(exit.code == 1 && said.starts_with("the app cannot start, 1 fault:"), "{said}");
        assert!(said.contains("reads `orders` in the group `shop`, and so do "), "{said}");
        for name in ["bill", "mail", "count", "pack"] {
            assert_eq!(said.matches(&format!("four_handlers::{name} (")).count(), 1, "{name}: {said}");
        }
    }
}

mod dead_letters {
    use super::*;

    #[subscriber(topic = "orders", on_error = DeadLetter, retry(attempts = 1))]
    async fn bill(_order: u64) -> Result<(), String> {
        Err("no".into())
    }

    #[faststream::test]
    async fn a_dead_letter_shows_the_headers_and_the_time_of_its_record() {
        let app =
            TestApp::start(FastStream::new(MemoryBroker::new()).name("shop").module(module_path!())).await;
        let mut record = faststream::Outgoing::new("orders", "1");
        record.headers = vec![("tenant".into(), Some("acme".into())), ("trace".into(), None)];
        record.timestamp = Some(1_700_000_000_000);
        app.publish_record(record).await;
        app.publish("orders", Publish::new(2)).await;
        let letters = app.dead_letters("orders");
        assert_eq!(letters.len(), 2);
        assert_eq!(
            letters[0].headers,
            [("tenant".to_owned(), Some("acme".into())), ("trace".to_owned(), None)]
        );
        assert_eq!(letters[0].header("tenant").as_deref(), Some("acme"));
        assert_eq!((letters[0].header("trace"), letters[0].header("dlt-handler")), (None, None));
        assert_eq!(letters[0].timestamp, Some(1_700_000_000_000));
        assert!(letters[1].headers.is_empty() && letters[1].timestamp.is_some());
    }
}

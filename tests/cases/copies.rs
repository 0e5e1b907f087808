//! What becomes of copies (results, retry copies, dead letters) that are not published at once.

use faststream::memory::MemoryBroker;
use faststream::testing::TestApp;
use faststream::{FastStream, Outgoing, Partition, publisher, subscriber};

/// The app of one module.
async fn start(module: &str) -> TestApp {
    let app = TestApp::start(FastStream::new(MemoryBroker::new()).name("t").module(module)).await.lenient();
    app.broker().create_topic("out", 1);
    app
}

/// Numbers in one partition, in order.
fn append(app: &TestApp, numbers: std::ops::Range<u64>, key: Option<&'static str>) {
    for number in numbers {
        app.append_record(Outgoing {
            partition: Partition::Exactly(0),
            key: key.map(Into::into),
            ..Outgoing::new("in", number.to_string())
        });
    }
}

mod denied {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1), on_error = DeadLetter)]
    #[publisher(topic = "out")]
    async fn copy(number: u64) -> u64 {
        number
    }

    #[faststream::test]
    async fn a_result_that_the_cluster_denies_is_published_again_and_its_handler_is_not_called_again() {
        let app = start(module_path!()).await;
        app.broker().deny_publishes_to("out", 20);
        append(&app, 0..3, None);
        app.settle().await;
        assert_eq!(app.published::<u64>("out").all(), [0, 1, 2]);
        assert_eq!(app.calls("copy").len(), 3);
        assert!(app.dead_letters("in").is_empty());
    }
}

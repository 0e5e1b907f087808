//! What begins while commits fail: no more than the brake allows, however it came to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{CommitClass, FastStream, GroupSettings, Outgoing, State, TestApp, subscriber};

mod one_hot_key {
    use super::*;

    #[subscriber(topic = "in", order = Key)]
    async fn handle(_id: u64, State(calls): State<Arc<AtomicUsize>>) {
        calls.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    #[faststream::test]
    async fn the_brake_holds_what_waits_behind_its_key() {
        let calls = Arc::new(AtomicUsize::new(0));
        let app = FastStream::new(MemoryBroker::new()).name("brake").module(module_path!());
        let app = app.group_settings(GroupSettings::new().max_uncommitted(10)).state(Arc::clone(&calls));
        let app = TestApp::start(app).await;
        app.broker().create_topic("in", 1);
        app.broker().fail_commits(CommitClass::Transient, u32::MAX);
        for id in 0..2_000_u64 {
            app.append_record(Outgoing { key: Some("hot".into()), ..Outgoing::new("in", id.to_string()) });
        }
        tokio::time::sleep(Duration::from_secs(120)).await;
        // Until the first refusal is heard, a commit interval of 1 s passes, and ten calls end in it.
        let begun = calls.load(SeqCst);
        assert!((10..=22).contains(&begun), "{begun} calls beyond the last commit");
        app.broker().heal();
        app.settle().await;
        assert_eq!(calls.load(SeqCst), 2_000, "nothing is kept back once commits succeed");
    }
}

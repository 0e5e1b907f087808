//! What an app sets for all of its subscribers reaches those that say nothing, and gives way to what one says itself.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{
    AckPolicy, Environment, FastStream, GroupSettings, OnError, Outgoing, Retry, TestApp, subscriber,
};
use tokio::time::{Instant, sleep};

#[subscriber(topic = "plain", group = "plain")]
async fn plain(_number: u64) -> Result<(), String> {
    Err("always bad".into())
}

#[subscriber(
    topic = "own",
    group = "own",
    ack = NackOnError,
    retry(attempts = 3, backoff = "10ms"),
    on_error = Hold,
    on_decode_error = DeadLetter,
)]
async fn own(_number: u64) -> Result<(), String> {
    Err("always bad".into())
}

/// What became of a record that fails and of one that cannot be read, in one topic.
#[derive(Debug, PartialEq, Eq)]
struct Fate {
    calls: usize,
    committed: Option<i64>,
    held: usize,
    dead: usize,
}

async fn fates(app: impl FnOnce(FastStream) -> FastStream) -> [Fate; 2] {
    let app = app(FastStream::new(MemoryBroker::new()).name("defaults").module(module_path!()));
    let app = TestApp::start_in(app, Environment::only([("SLOW", "false")])).await;
    for topic in ["plain", "own"] {
        app.append_record(Outgoing::new(topic, "\"no number\""));
        app.append(topic, &1_u64);
    }
    app.settle().await;
    app.advance(Duration::from_secs(3)).await;
    let disposition = |topic: &str| Fate {
        calls: app.calls(topic).iter().filter(|call| call.offset == 1).count(),
        committed: app.committed(topic, topic).get(&0).copied(),
        held: app.held().iter().filter(|held| &*held.topic == topic).count(),
        dead: app.dead_letters(topic).len(),
    };
    ["plain", "own"].map(disposition)
}

/// Three attempts, then held; what cannot be read is a dead letter.
const OWN: Fate = Fate { calls: 3, committed: Some(1), held: 1, dead: 1 };

#[faststream::test]
async fn without_defaults_a_record_is_tried_five_times_and_held_and_one_that_cannot_be_read_is_held_at_once()
{
    let [plain, own] = fates(|app| app).await;
    assert_eq!(
        plain,
        Fate { calls: 0, committed: None, held: 1, dead: 0 },
        "the unreadable one is the first"
    );
    assert_eq!(own, OWN);
}

#[faststream::test]
async fn the_apps_retries_and_on_error_reach_who_says_nothing_and_nobody_else() {
    let two = Retry::attempts(2).backoff(Duration::from_millis(1), Duration::from_millis(1));
    let [plain, own] = fates(|app| app.retry(two).on_error(OnError::Skip)).await;
    assert_eq!(plain, Fate { calls: 2, committed: Some(2), held: 0, dead: 0 });
    assert_eq!(own, OWN);

    let [plain, own] = fates(|app| app.retry(two).on_error(OnError::DeadLetter)).await;
    assert_eq!(plain, Fate { calls: 2, committed: Some(2), held: 0, dead: 2 });
    assert_eq!(own, OWN);
}

#[faststream::test]
async fn the_apps_ack_policy_reaches_who_names_none_and_nobody_else() {
    let [plain, own] = fates(|app| app.ack(AckPolicy::Ack)).await;
    assert_eq!(plain, Fate { calls: 1, committed: Some(2), held: 0, dead: 0 });
    assert_eq!(own, OWN);

    // Nothing is retried under this one: what the app says of that is passed over.
    let [plain, own] = fates(|app| {
        app.ack(AckPolicy::RejectOnError).retry(Retry::attempts(9)).on_error(OnError::DeadLetter)
    })
    .await;
    assert_eq!(plain, Fate { calls: 1, committed: Some(2), held: 0, dead: 2 });
    assert_eq!(own, OWN);
}

mod draining {
    use super::*;

    #[subscriber(topic = "plain", group = "plain", enabled = "${SLOW}")]
    async fn slow_plain(_number: u64) {
        sleep(Duration::from_secs(3600)).await;
    }

    #[subscriber(topic = "own", group = "own", drain = "20s", enabled = "${SLOW}")]
    async fn slow_own(_number: u64) {
        sleep(Duration::from_secs(3600)).await;
    }

    #[faststream::test]
    async fn the_apps_drain_time_reaches_who_names_none_and_nobody_else() {
        for (settings, of_plain) in
            [(GroupSettings::new(), 5), (GroupSettings::new().drain(Duration::from_secs(2)), 2)]
        {
            let app = FastStream::new(MemoryBroker::new()).name("defaults").module(module_path!());
            let app = app.group_settings(settings);
            let app = TestApp::start_in(app, Environment::only([("SLOW", "true")])).await;
            app.append("plain", &1_u64);
            app.append("own", &1_u64);
            sleep(Duration::from_secs(1)).await;
            let began = Instant::now();
            let mut exit = app.shutdown().await;
            exit.messages.sort();
            let cut = |topic: &str, seconds: u64| {
                format!(
                    "{topic}/0 at offset 0: slow_{topic} was still running after its drain time of {seconds} s, and is \
                     handled again"
                )
            };
            assert_eq!((exit.code, exit.messages), (2, vec![cut("own", 20), cut("plain", of_plain)]));
            let took = began.elapsed();
            assert!(took >= Duration::from_secs(20) && took < Duration::from_secs(22), "{took:?}");
        }
    }
}

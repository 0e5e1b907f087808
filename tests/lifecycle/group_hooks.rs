//! Hooks of a group: partitions that come and go, commits that fail, and what hooks cannot hurt.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{CommitClass, FastStream, Metadata, Rebalance, State, TestApp, subscriber};

/// What happened, in order, with the seconds of virtual time.
struct Seen(Mutex<Vec<String>>, tokio::time::Instant);

impl Seen {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default(), tokio::time::Instant::now()))
    }

    fn note(&self, text: impl std::fmt::Display) {
        let text = format!("{} s: {text}", self.1.elapsed().as_secs());
        self.0.lock().expect("nobody panics under the lock").push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics under the lock"))
    }
}

#[subscriber(topic = "numbers", group = "hooked")]
async fn handle(number: u64, metadata: Metadata, State(seen): State<Arc<Seen>>) {
    seen.note(format_args!("handled {number} of {}", metadata.partition));
}

fn app(seen: &Arc<Seen>) -> FastStream {
    let broker = MemoryBroker::new();
    FastStream::new(broker).name("hooks").module(module_path!()).state(Arc::clone(seen))
}

fn partitions(rebalance: &Rebalance) -> String {
    let partitions = rebalance.partitions.iter().map(|place| format!("{}@{}", place.partition, place.offset));
    format!("{} {}", rebalance.group, partitions.collect::<Vec<_>>().join(" "))
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[faststream::test]
async fn nothing_is_handled_before_on_assigned_has_ended_and_nothing_is_given_back_before_on_revoked() {
    let seen = Seen::new();
    let (assigned, revoked) = (Arc::clone(&seen), Arc::clone(&seen));
    let app = app(&seen)
        .on_assigned(move |hook, rebalance| {
            let seen = Arc::clone(&assigned);
            async move {
                seconds(2).await;
                assert!(hook.state::<Arc<Seen>>().is_some() && hook.publisher().is_some());
                seen.note(format_args!("assigned {}", partitions(&rebalance)));
            }
        })
        .on_revoked(move |_hook, rebalance| {
            let seen = Arc::clone(&revoked);
            async move {
                seconds(3).await;
                seen.note(format_args!("revoked {}", partitions(&rebalance)));
            }
        });
    let app = TestApp::start(app).await;
    app.publish("numbers", &1_u64).await;
    assert_eq!(seen.take(), ["2 s: assigned hooked 0@0", "2 s: handled 1 of 0"]);
    app.broker().rebalance("hooked");
    app.settle().await;
    assert_eq!(seen.take(), ["5 s: revoked hooked 0@1", "7 s: assigned hooked 0@1"]);
    assert_eq!(app.shutdown().await.code, 0);
    assert_eq!(seen.take(), ["10 s: revoked hooked 0@1"], "a stop gives back, too");
}

#[faststream::test]
async fn hooks_that_hang_panic_or_fail_hurt_nothing() {
    let seen = Seen::new();
    let app = app(&seen)
        .on_assigned(|_hook, _rebalance| std::future::pending::<()>())
        .on_revoked(|_hook, _rebalance| -> std::future::Ready<()> { panic!("by the test") })
        .on_revoked(|_hook, _rebalance| async { Err::<(), _>("fails by the test") })
        .on_revoked(|_hook, _rebalance| std::future::pending::<()>());
    let app = TestApp::start(app).await;
    app.publish("numbers", &1_u64).await;
    assert_eq!(seen.take(), ["5 s: handled 1 of 0"], "its time is the drain time");
    app.broker().rebalance("hooked");
    app.append("numbers", &2_u64);
    app.settle().await;
    assert_eq!(seen.take(), ["15 s: handled 2 of 0"], "five to give back, five to begin");
    assert_eq!(app.shutdown().await.code, 0);
}

#[faststream::test]
async fn a_lost_membership_tells_on_lost_and_waits_for_nobody() {
    let seen = Seen::new();
    let lost = Arc::clone(&seen);
    let app = app(&seen).on_revoked(|_hook, _rebalance| std::future::pending::<()>()).on_lost(
        move |_hook, rebalance| {
            let seen = Arc::clone(&lost);
            async move {
                seen.note(format_args!("lost {}", partitions(&rebalance)));
                seconds(4).await;
            }
        },
    );
    let app = TestApp::start(app).await;
    app.publish("numbers", &1_u64).await;
    seen.take();
    app.broker().lose("hooked");
    app.append("numbers", &2_u64);
    app.settle().await;
    let told = seen.take();
    assert_eq!(told[0], "0 s: lost hooked 0@1");
    assert!(told[1..].contains(&"0 s: handled 2 of 0".to_owned()), "{told:?}");
}

#[faststream::test]
async fn on_commit_error_is_told_of_every_failure_one_call_at_a_time() {
    let seen = Seen::new();
    let failed = Arc::clone(&seen);
    let app = app(&seen).on_commit_error(move |_hook, failures| {
        let seen = Arc::clone(&failed);
        async move {
            for failure in &failures {
                let at = (&failure.topic, failure.partition, failure.offset, failure.class);
                seen.note(format_args!("{} {at:?} after {:?}", failure.group, failure.dirty_for));
            }
            seconds(3).await;
            seen.note("told");
        }
    });
    let app = TestApp::start(app).await;
    app.broker().fail_commits(CommitClass::Permanent, 3);
    app.publish("numbers", &1_u64).await;
    app.advance(Duration::from_secs(10)).await;
    let told = seen.take();
    assert_eq!(told[0], "0 s: handled 1 of 0");
    assert_eq!(told[1], r#"1 s: hooked ("numbers", 0, 1, Permanent) after 0ns"#);
    assert_eq!(told[2], "4 s: told");
    assert!(told[3].starts_with("4 s: hooked") && told[4].starts_with("4 s: hooked"), "{told:?}");
    assert_eq!(told[5..], ["7 s: told"]);
    assert_eq!(app.committed("hooked", "numbers")[&0], 1);
}

/// Its future is cut off by the drain time, and panics then.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("panics when it is dropped");
    }
}

#[faststream::test]
async fn a_hook_that_panics_when_it_is_cut_off_keeps_no_partition_waiting() {
    let seen = Seen::new();
    let hang = |_hook, _rebalance| {
        let bomb = Bomb;
        async move {
            std::future::pending::<()>().await;
            drop(bomb);
        }
    };
    let app = TestApp::start(app(&seen).on_assigned(hang).on_revoked(hang)).await;
    app.append("numbers", &1_u64);
    seconds(10).await;
    assert_eq!(seen.take(), ["5 s: handled 1 of 0"]);
    assert_eq!(app.shutdown().await.code, 0);
}

//! Tests of the harness itself: its waits, its views, and its messages for a wrong test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::run::run_within;
use super::{TestApp, run};
use crate::app::{Environment, FastStream};
use crate::delivery::{Call, Delivery};
use crate::hooks::HookContext;
use crate::memory::MemoryBroker;
use crate::policy::OnError;
use crate::record::{Outgoing, Partition};
use crate::result::Verdict;
use crate::result::{HandlerError, Outcome};
use crate::subscriber::{PublisherDef, RetryDef, SourceDef, SubscriberDef};

/// What handlers counted.
#[derive(Default)]
struct Count(AtomicI64);

fn bill(delivery: &Delivery<'_>) -> Call {
    let count = delivery.state::<Count>().expect("given to every app").0.fetch_add(1, SeqCst) + 1;
    match delivery.record().payload {
        Some(br#""fail""#) => Call::known(Outcome::Failed(HandlerError::new("NoPrice", "there is no price"))),
        Some(br#""panic""#) => Call::new(async { panic!("out of ink") }),
        Some(br#""stop""#) => Call::known(Outcome::Verdict(Verdict::Stop)),
        Some(br#""forever""#) => Call::new(std::future::pending()),
        Some(br#""slow""#) => Call::new(async {
            sleep(Duration::from_secs(60)).await;
            Outcome::Verdict(Verdict::Ack)
        }),
        _ => Call::known(Outcome::Publish(vec![Outgoing::new("invoices", count.to_string())])),
    }
}

const BILL: SubscriberDef = SubscriberDef {
    name: "bill",
    module: module_path!(),
    package: "test",
    file: file!(),
    line: 1,
    source: SourceDef::Topics(&["orders"]),
    group: Some("billing"),
    retry: Some(RetryDef { attempts: Some(3), backoff: None, topics: &[] }),
    publishers: &[PublisherDef { topic: "invoices" }],
    call: bill,
    requires: |requirements| requirements.state::<Count>(),
    ..SubscriberDef::fixture()
};

inventory::submit!(BILL);
inventory::submit!(SubscriberDef {
    name: "bury",
    line: 2,
    source: SourceDef::Topics(&["graves"]),
    on_error: Some(OnError::DeadLetter),
    ..BILL
});

fn app() -> FastStream {
    FastStream::new(MemoryBroker::new()).name("shop").module(module_path!()).state(Count::default())
}

fn count(app: &TestApp) -> i64 {
    app.state::<Count>().expect("given to every app").0.load(SeqCst)
}

/// Returns the message for a wrong test.
async fn told(test: impl Future<Output = ()> + 'static) -> String {
    let panic = tokio::task::LocalSet::new().run_until(async { tokio::task::spawn_local(test).await }).await;
    let panic = panic.expect_err("it panics").into_panic();
    panic.downcast_ref::<String>().expect("a formatted text").clone()
}

#[tokio::test(start_paused = true)]
async fn publish_returns_when_all_that_it_caused_has_settled() {
    let app = TestApp::start(app()).await;
    app.publish("orders", "pen").await;
    assert_eq!(app.published::<i64>("invoices").single(), 1);
    let began = Instant::now();
    app.publish("orders", "slow").await;
    assert!(began.elapsed() >= Duration::from_secs(60));
    app.append("orders", "pen");
    assert_eq!(app.published::<i64>("invoices").len(), 1);
    app.settle().await;
    let invoices = app.published::<i64>("invoices");
    assert_eq!((invoices.all(), invoices.keys()), (vec![1, 3], vec![None, None]));
    assert!(!invoices.is_empty());
    assert_eq!(app.shutdown().await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_record_is_held_after_its_attempts_and_its_calls_are_shown() {
    let app = TestApp::start(app()).await;
    app.publish("orders", "fail").await;
    let calls: Vec<_> = app.calls("bill").into_iter().map(|call| (call.offset, call.attempt)).collect();
    assert_eq!(calls, [(0, 1), (0, 2), (0, 3)]);
    let last = app.calls("bill").pop().expect("three of them");
    assert_eq!((last.outcome, last.error.as_deref()), (Verdict::nack(), Some("NoPrice: there is no price")));
    let held = app.held();
    assert_eq!((held.len(), &*held[0].topic, held[0].offset, held[0].attempts), (1, "orders", 0, 3));
    app.publish("graves", "panic").await;
    assert_eq!(app.calls("bury")[0].error.as_deref(), Some("panic: out of ink"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_tells_where_it_comes_from_and_why() {
    let app = TestApp::start(app()).await;
    let key = Some("k".into());
    app.publish_record(Outgoing {
        key,
        partition: Partition::Exactly(0),
        ..Outgoing::new("graves", "\"fail\"")
    })
    .await;
    let [letter] = &app.dead_letters("graves")[..] else { panic!("one letter") };
    assert_eq!((&*letter.topic, letter.partition, letter.offset), ("graves", 0, 0));
    assert_eq!((&*letter.handler, &*letter.group, letter.attempts), ("bury", "billing", 3));
    assert_eq!((&*letter.error_type, &*letter.error), ("NoPrice", "there is no price"));
    assert_eq!((letter.key.as_deref(), letter.payload.as_deref()), (Some(&b"k"[..]), Some(&b"\"fail\""[..])));
}

#[tokio::test(start_paused = true)]
async fn commits_follow_by_the_clock() {
    let app = TestApp::start(app()).await;
    app.publish("orders", "pen").await;
    assert!(app.committed("billing", "orders").is_empty());
    app.advance(Duration::from_secs(2)).await;
    assert_eq!(app.committed("billing", "orders"), [(0, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_crash_goes_on_at_what_was_committed_with_the_states_that_were_given() {
    let mut app = TestApp::start(app()).await;
    app.publish("orders", "pen").await;
    app.advance(Duration::from_secs(2)).await;
    app.publish("orders", "pen").await;
    app.crash().await;
    assert_eq!((count(&app), app.published::<i64>("invoices").all()), (3, vec![1, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_the_app_has_its_partitions_again_and_no_clock_went_back() {
    let mut app = TestApp::start(app()).await;
    let failed_at = |app: &TestApp| {
        let letters = app.published::<serde_json::Value>("graves-dlt");
        let (_, letter) = letters.records().last().expect("one was just given up on");
        let header =
            letter.headers.iter().find(|(name, _)| name == "dlt-failed-at").and_then(|(_, at)| at.clone());
        String::from_utf8_lossy(&header.expect("every letter has it")).parse::<i64>().expect("milliseconds")
    };
    app.advance(Duration::from_secs(3600)).await;
    app.publish("graves", "fail").await;
    let before = failed_at(&app);
    app.advance(Duration::from_secs(2)).await;
    app.crash().await;
    let began = Instant::now();
    app.publish("orders", "pen").await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "the crashed session was not over: {:?}",
        began.elapsed()
    );
    app.publish("graves", "fail").await;
    assert!(failed_at(&app) > before, "{} {before}", failed_at(&app));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_made_at_start_is_the_one_that_handlers_get() {
    let make = async move |_: HookContext| Ok::<_, std::convert::Infallible>(Count(AtomicI64::new(40)));
    let mut app = TestApp::start(app().state_with(make)).await;
    app.publish("orders", "pen").await;
    assert_eq!(count(&app), 41);
    let first = app.state::<Count>().expect("made at start");
    app.crash().await;
    let second = app.state::<Count>().expect("made at start");
    assert!(!Arc::ptr_eq(&first, &second), "a crash makes it again");
    assert!(app.state::<String>().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_app_that_stops_itself_says_why() {
    let mut app = TestApp::start(app()).await;
    app.publish("orders", "stop").await;
    let exit = app.ended().await;
    assert_eq!(exit.code, 3);
    assert!(exit.messages[0].contains("bill"), "{exit:?}");
}

#[tokio::test(start_paused = true)]
async fn what_never_settles_is_named() {
    let told = told(async {
        let app = TestApp::start(app()).await;
        app.publish("graves", "pen").await;
        app.publish("orders", "forever").await;
    })
    .await;
    assert!(told.contains("bill") && told.contains("orders/0") && told.contains("offset 0"), "{told}");
    assert!(!told.contains("graves"), "what is finished is not named: {told}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_nobody_knows_is_refused_with_those_that_are_known() {
    let told = told(async { TestApp::start(app()).await.publish("order", "pen").await }).await;
    assert!(
        told.contains("`order`") && told.contains("\"orders\"") && told.contains("\"invoices\""),
        "{told}"
    );
    let app = TestApp::start(app()).await.lenient();
    app.publish("order", "pen").await;
    assert_eq!(app.published::<String>("order").single(), "pen");
}

#[tokio::test(start_paused = true)]
async fn single_lists_what_is_there_instead() {
    let told = told(async {
        let app = TestApp::start(app()).await;
        app.publish("orders", "pen").await;
        app.publish("orders", "pen").await;
        let _ = app.published::<i64>("invoices").single();
    });
    assert_eq!(told.await, "one record was expected in invoices, there are 2: 0@0 1; 0@1 2");
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_wrong_with_an_app_is_listed() {
    let wrong = || FastStream::new(MemoryBroker::new()).module(module_path!());
    let told = told(async move { drop(TestApp::start_in(wrong(), Environment::default()).await) }).await;
    assert!(told.contains("2 faults") && told.contains("Count"), "{told}");
}

#[test]
fn run_takes_no_real_time_unless_it_is_asked_to() {
    let began = std::time::Instant::now();
    run(false, || sleep(Duration::from_secs(3600)));
    assert!(began.elapsed() < Duration::from_secs(10));
    run(true, || sleep(Duration::from_millis(20)));
    assert!(began.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_test_that_hangs_is_named_and_ends_its_process() {
    const CHILD: &str = "FASTSTREAM_TEST_HANGS";
    let name = "testing::tests::a_test_that_hangs_is_named_and_ends_its_process";
    if std::env::var_os(CHILD).is_some() {
        run_within(Duration::from_millis(50), false, std::future::pending::<()>);
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
    let output = child.args(["--exact", name]).env(CHILD, "1").output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101));
    assert!(told.contains(&format!("{name} hangs")), "{told}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a figure of optimized code")]
fn a_hundred_thousand_records_one_by_one_take_less_than_two_seconds() {
    let began = std::time::Instant::now();
    run(false, || async {
        let app = TestApp::start(app()).await;
        for _ in 0..100_000 {
            app.publish("orders", "pen").await;
        }
        assert_eq!((count(&app), app.published::<i64>("invoices").len()), (100_000, 100_000));
    });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

//! A program without a single subscriber, as one gets it by not linking the crate that has them: this test binary is one.

use faststream::memory::MemoryBroker;
use faststream::{FastStream, HookContext, TestApp};

#[test]
fn an_app_without_subscribers_is_refused_at_start_with_the_cure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let app = FastStream::new(MemoryBroker::new()).name("empty");
    let exit = runtime.block_on(app.run_until(std::future::pending()));
    assert_eq!(exit.code, 1);
    let said = exit.messages.join("\n");
    for part in [
        "in a hook: `.after_startup(",
        "no subscriber is registered",
        "#[subscriber(topic = \"...\")]",
        "use that_crate as _;",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[faststream::test]
async fn an_app_without_subscribers_that_has_a_hook_after_startup_runs_and_publishes() {
    let app =
        FastStream::new(MemoryBroker::new()).name("publishes").after_startup(async |hook: HookContext| {
            let publisher = hook.publisher().expect("connected");
            publisher.send("numbers", &7_u64).await
        });
    let app = TestApp::start(app).await.lenient();
    app.settle().await;
    assert_eq!(app.published::<u64>("numbers").single(), 7);
    let health = app.health();
    assert!(health.live && health.ready && !health.degraded, "{health:?}");
    assert_eq!(app.shutdown().await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn without_subscribers_it_is_warned_of_what_is_not_linked_and_runs_until_it_is_stopped() {
    let app = || FastStream::new(MemoryBroker::new()).name("publishes").after_startup(async || ());
    let plan = app().plan(faststream::LaunchOptions::default()).expect("it has something to do");
    assert!(
        plan.warnings()[0].contains("only hooks run, no subscriber is registered"),
        "{:?}",
        plan.warnings()
    );
    assert!(plan.warnings()[0].contains("use that_crate as _;"), "{:?}", plan.warnings());
    let began = tokio::time::Instant::now();
    let exit = app().run_until(tokio::time::sleep(std::time::Duration::from_secs(60))).await;
    assert_eq!((exit.code, began.elapsed().as_secs() >= 60), (0, true), "{exit:?}");
}

//! Hooks at a start: their order with all the others, and what a start that they break leaves behind.

use std::future::{Future, Ready, pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{
    Exit, FastStream, HookContext, LaunchOptions, Outgoing, StartOptions, State, TestApp, subscriber,
};
use tokio::time::{sleep, timeout};

/// What ran, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: &str) {
        self.0.lock().expect("not poisoned").push(what.to_owned());
    }

    /// A hook that only says that it ran, and whether it could publish.
    fn noting(
        &self,
        what: &'static str,
    ) -> impl FnOnce(HookContext) -> Ready<()> + Clone + Send + Sync + 'static {
        let seen = self.clone();
        move |hook: HookContext| {
            seen.note(&format!(
                "{what}, {}",
                if hook.publisher().is_some() { "publishes" } else { "no broker" }
            ));
            ready(())
        }
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// Takes a second.
const SLOW: u64 = 1_000;

#[subscriber(topic = "numbers", group = "start")]
async fn handle(number: u64, State(seen): State<Seen>) {
    if number == SLOW {
        sleep(Duration::from_secs(1)).await;
    }
    seen.note(&format!("handler, {number}"));
}

async fn send(hook: HookContext, number: u64) -> anyhow::Result<()> {
    let publisher = hook.publisher().expect("connected");
    publisher.send("numbers", &number).await?;
    Ok(())
}

fn app(seen: &Seen) -> FastStream {
    with_hooks(FastStream::new(MemoryBroker::new()), seen)
}

/// Two of each shutdown hook: none may be missing, and their order is the one in which they were given.
fn with_hooks(app: FastStream, seen: &Seen) -> FastStream {
    app.name("start")
        .module(module_path!())
        .state(seen.clone())
        .on_shutdown(seen.noting("on_shutdown 1"))
        .on_shutdown(seen.noting("on_shutdown 2"))
        .after_shutdown(seen.noting("after_shutdown 1"))
        .after_shutdown(seen.noting("after_shutdown 2"))
}

fn shutdown_hooks(broker: &str) -> Vec<String> {
    ["on_shutdown 1", "on_shutdown 2", "after_shutdown 1", "after_shutdown 2"]
        .map(|hook| format!("{hook}, {broker}"))
        .to_vec()
}

/// Runs an app whose start is broken.
async fn broken(app: FastStream) -> Exit {
    timeout(Duration::from_secs(60), app.run_until(pending())).await.expect("it ends by itself")
}

#[faststream::test]
async fn hooks_run_in_their_documented_order_whatever_the_order_in_which_they_were_given() {
    let seen = Seen::default();
    let made = seen.clone();
    let app = app(&seen)
        .after_startup(async move |hook: HookContext| send(hook, 1).await)
        .after_startup(seen.noting("after_startup 2"))
        .state_with(move || {
            made.note("state_with");
            ready(Ok::<_, std::io::Error>(0_u8))
        })
        .on_startup(seen.noting("on_startup 1"))
        .on_startup(seen.noting("on_startup 2"))
        .on_shutdown(async move |hook: HookContext| send(hook, 2).await);
    let app = TestApp::start(app).await;
    app.settle().await;
    app.publish("numbers", &3_u64).await;
    let broker = app.broker().clone();
    let exit = app.shutdown().await;
    assert_eq!((exit.code, exit.messages), (0, Vec::new()));
    let start =
        ["on_startup 1, no broker", "on_startup 2, no broker", "state_with", "after_startup 2, publishes"];
    let mut all = seen.all();
    // The first record may be handled before or after the second hook: it is published before.
    let first =
        all.iter().position(|what| what == "handler, 1").expect("what `after_startup` publishes is handled");
    assert!(first >= 3, "{all:?}");
    all.remove(first);
    let mut expected: Vec<_> = start.map(str::to_owned).into();
    expected.push("handler, 3".into());
    expected.extend(shutdown_hooks("publishes"));
    assert_eq!(all, expected);
    let written = broker.records("numbers");
    assert_eq!(written.len(), 3, "`on_shutdown` can still publish");
}

/// How a hook breaks the start.
#[derive(Clone, Copy, Debug)]
enum Break {
    Fails,
    PanicsAtOnce,
    PanicsLater,
}

impl Break {
    const ALL: [Self; 3] = [Self::Fails, Self::PanicsAtOnce, Self::PanicsLater];

    fn hook<T: 'static>(
        self,
    ) -> impl FnOnce() -> Pin<Box<dyn Future<Output = Result<T, &'static str>> + Send>>
    + Clone
    + Send
    + Sync
    + 'static {
        move || {
            assert!(!matches!(self, Self::PanicsAtOnce), "by the test");
            Box::pin(async move {
                sleep(Duration::from_millis(100)).await;
                assert!(!matches!(self, Self::PanicsLater), "by the test");
                Err("by the test")
            })
        }
    }

    fn told(self) -> &'static str {
        if matches!(self, Self::Fails) { "failed: by the test" } else { "panicked" }
    }
}

#[faststream::test]
async fn an_on_startup_that_fails_or_panics_stops_the_start_and_runs_the_shutdown_hooks() {
    for how in Break::ALL {
        let seen = Seen::default();
        let app = app(&seen)
            .on_startup(seen.noting("on_startup 1"))
            .on_startup(how.hook::<()>())
            .on_startup(seen.noting("never"))
            .after_startup(seen.noting("never"));
        let exit = broken(app).await;
        assert_eq!((exit.code, exit.messages), (1, vec![format!("hook 2 of `on_startup` {}", how.told())]));
        let expected = [vec!["on_startup 1, no broker".to_owned()], shutdown_hooks("no broker")].concat();
        assert_eq!(seen.all(), expected, "{how:?}");
    }
}

#[faststream::test]
async fn a_state_that_fails_or_panics_when_it_is_made_stops_the_start_and_runs_the_shutdown_hooks() {
    for how in Break::ALL {
        let seen = Seen::default();
        let exit = broken(app(&seen).state_with(how.hook::<u8>())).await;
        assert_eq!(
            (exit.code, exit.messages),
            (1, vec![format!("making the state of type `u8` {}", how.told())])
        );
        assert_eq!(seen.all(), shutdown_hooks("no broker"), "{how:?}");
    }
}

#[faststream::test]
async fn an_after_startup_that_fails_or_panics_drains_the_app_and_runs_the_shutdown_hooks() {
    for how in Break::ALL {
        let (seen, broker) = (Seen::default(), MemoryBroker::new());
        broker.append(Outgoing::new("numbers", SLOW.to_string())).expect("it is there");
        let app = with_hooks(FastStream::new(broker.clone()), &seen)
            .after_startup(async || sleep(Duration::from_millis(100)).await)
            .after_startup(how.hook::<()>());
        let exit = broken(app).await;
        assert_eq!(
            (exit.code, exit.messages),
            (1, vec![format!("hook 2 of `after_startup` {}", how.told())])
        );
        // The call that ran was awaited, and is committed.
        let expected = [vec![format!("handler, {SLOW}")], shutdown_hooks("publishes")].concat();
        assert_eq!(seen.all(), expected, "{how:?}");
        assert_eq!(broker.committed("start", "numbers"), [(0, 1)].into());
    }
}

#[faststream::test]
async fn a_start_that_panics_is_an_error_for_whoever_started_it() {
    let seen = Seen::default();
    let plan = app(&seen)
        .after_startup(Break::PanicsLater.hook::<()>())
        .plan(LaunchOptions::default())
        .expect("a sound app");
    let error = plan.start(StartOptions::default()).await.expect_err("its hook panics");
    assert_eq!(error.to_string(), "hook 1 of `after_startup` panicked");
    assert_eq!(seen.all(), shutdown_hooks("publishes"));
}

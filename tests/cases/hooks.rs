//! Hooks and apps as people write them: results that hold something, hooks that only panic, apps that cannot be built.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use faststream::memory::MemoryBroker;
use faststream::{FastStream, HookContext, TestApp, subscriber};

mod results {
    use super::*;

    #[subscriber(topic = "numbers", group = "hooks")]
    async fn handle(_number: u64) {}

    fn app() -> FastStream {
        FastStream::new(MemoryBroker::new()).module(module_path!())
    }

    #[faststream::test]
    async fn a_hook_may_return_a_result_that_holds_something() {
        let ran = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ran);
        let app = app()
            .on_startup(async || "7".parse::<u64>())
            .after_startup(async move |hook: HookContext| {
                counted.fetch_add(1, Ordering::Relaxed);
                hook.publisher().expect("connected").send("numbers", &1).await
            })
            .on_assigned(async |_, _| Ok::<_, String>(5));
        let app = TestApp::start(app).await;
        app.settle().await;
        assert_eq!((ran.load(Ordering::Relaxed), app.calls("handle").len()), (1, 1));
    }

    #[faststream::test]
    async fn a_hook_that_fails_with_a_result_that_holds_something_stops_the_start() {
        let app = app().on_startup(async || "seven".parse::<u64>());
        let exit = app.run_until(std::future::pending()).await;
        assert_eq!(exit.code, 1);
        assert!(exit.messages[0].contains("hook 1 of `on_startup` failed: invalid digit"), "{exit:?}");
    }

    #[faststream::test]
    async fn a_hook_may_only_panic() {
        let app = app().on_startup(async || panic!("out of ink"));
        let exit = app.run_until(std::future::pending()).await;
        assert_eq!(exit.code, 1);
        assert!(exit.messages[0].contains("hook 1 of `on_startup` panicked"), "{exit:?}");
    }
}

mod fallible {
    use super::*;

    #[subscriber(topic = "numbers", group = "fallible")]
    async fn handle(_number: u64) {}

    async fn app() -> anyhow::Result<FastStream> {
        Ok(FastStream::new(MemoryBroker::new()).module(module_path!()))
    }

    #[faststream::test]
    async fn a_test_of_an_app_that_may_fail_passes_its_error_on() -> anyhow::Result<()> {
        let app = TestApp::start(app().await?).await;
        app.publish("numbers", &1).await;
        assert_eq!(app.calls("handle").len(), 1);
        Ok(())
    }
}

/// What a service prints that is run with these arguments, and its exit code.
fn run(name: &'static str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(crate::program::service(name));
    let output = command.args(arguments).env_remove("RUST_LOG").output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_app_that_cannot_be_built_says_why_with_its_causes_and_exits_with_1() {
    let (code, said) = run("not_built", &["dev"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the app was not built: no prices: invalid digit found in string"), "{said}");
}

#[test]
fn faststream_run_inside_of_a_runtime_is_told_apart_from_a_panic() {
    let (code, said) = run("nested_runtime", &["dev"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("call it from a plain `fn main`, or await `app.run_until(shutdown)`"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_number_of_threads_that_is_none_is_a_start_fault() {
    for number in ["0", "-1", "many", "", "99999999999"] {
        let mut command = Command::new(crate::program::example("orders"));
        let output = command.args(["list"]).env("TOKIO_WORKER_THREADS", number).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{number}: {said}");
        assert!(said.contains("TOKIO_WORKER_THREADS is not a number from 1 to 4096"), "{said}");
    }
}

//! Apps under `simulate` whose start a fault refuses, or that never start.

use std::panic::{AssertUnwindSafe, catch_unwind};

use faststream::memory::MemoryBroker;
use faststream::testing::Scenario;
use faststream::{FastStream, HookContext, publisher, simulate, subscriber};

#[subscriber(topic = "orders")]
#[publisher(topic = "invoices")]
async fn bill(order: u64) -> u64 {
    order
}

fn app() -> FastStream {
    FastStream::new(MemoryBroker::new()).name("shop").module(module_path!())
}

fn scenario() -> Scenario {
    Scenario::new().records("orders", |_, number| number)
}

/// What a simulation that fails says.
fn said(simulation: impl FnOnce()) -> String {
    let ended = catch_unwind(AssertUnwindSafe(simulation)).expect_err("it fails");
    *ended.downcast::<String>().expect("a text")
}

#[test]
fn an_app_whose_start_a_fault_refuses_is_started_again() {
    let app = || async {
        app().after_startup(async |hook: HookContext| {
            hook.publisher().expect("connected").send("started", &1).await
        })
    };
    let report = simulate(
        0..30,
        app,
        scenario().check_at_end(|world| {
            assert!(!world.published::<u64>("started").is_empty(), "the start is told");
        }),
    );
    assert_eq!(report.seeds, 30);
}

#[test]
fn an_app_that_never_starts_is_said_in_the_words_of_its_hook() {
    let app = || async { app().after_startup(async || Err::<(), _>("out of ink")) };
    let said = said(|| drop(simulate(0..1, app, scenario())));
    assert!(
        said.starts_with("seed 0 breaks the rule that an app starts, at the latest when faults are off"),
        "{said}"
    );
    assert!(said.contains("5 starts in a row failed with faults off"), "{said}");
    assert!(said.contains("hook 1 of `after_startup` failed: out of ink"), "{said}");
    assert!(!said.contains(".rs:"), "{said}");
}

#[test]
fn an_app_with_faults_of_its_own_is_said_without_a_line_of_the_library() {
    let app = || async { FastStream::new(MemoryBroker::new()).module("nowhere") };
    let said = said(|| drop(simulate(0..1, app, scenario())));
    assert!(said.starts_with("seed 0 breaks the rule that an app starts"), "{said}");
    assert!(!said.contains("simulate/"), "{said}");
}

//! `TestApp`, as someone meets it who writes a first test.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, TestApp};

fn app(module: &'static str) -> FastStream {
    FastStream::new(MemoryBroker::new()).name("shop").module(module)
}

/// The text of a panic, and the file where the panic hook saw it; none if nobody called the hook.
fn panic_of(body: impl FnOnce()) -> (String, Option<String>) {
    static HOOK: Mutex<()> = Mutex::new(());
    thread_local! {
        static SEEN: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
    }
    let _one = HOOK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        SEEN.set(panic.location().map(|place| place.file().to_owned()));
    }));
    let ended = std::panic::catch_unwind(AssertUnwindSafe(body));
    std::panic::set_hook(usual);
    let payload = ended.expect_err("it panics");
    let text = payload.downcast_ref::<String>().cloned();
    (
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).expect("a text"),
        SEEN.take(),
    )
}

mod records {
    use faststream::{Headers, Key, Publish, publisher, subscriber};

    use super::*;

    /// Passes the order on, with its key and a header.
    #[subscriber(topic = "orders")]
    #[publisher(topic = "invoices")]
    async fn bill(order: u64, Key(key): Key<String>, headers: Headers) -> Publish<u64> {
        let tenant = headers.get("tenant").map(|value| String::from_utf8_lossy(value).into_owned());
        Publish::new(order * 2)
            .key(key)
            .header("tenant", tenant.unwrap_or_default())
            .header("paid", None::<&str>)
    }

    #[faststream::test]
    async fn a_test_publishes_keys_and_headers_and_sees_those_that_were_published() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("orders", Publish::new(21).key("acme").header("tenant", "a")).await;
        app.append("orders", Publish::new(22).key("other").header("tenant", "b"));
        app.settle().await;
        let invoices = app.published::<u64>("invoices");
        assert_eq!(
            (invoices.all(), invoices.keys()),
            (vec![42, 44], vec![Some("acme".into()), Some("other".into())])
        );
        assert_eq!(invoices.headers("tenant"), [Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!(invoices.headers("paid"), [None, None]);
        assert_eq!(app.calls("bill").len(), 2);
    }

    #[faststream::test]
    async fn the_only_record_is_seen_as_it_is() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("orders", Publish::new(21).key("acme").partition(0)).await;
        let (partition, record) = app.published::<u64>("invoices").single_record();
        assert_eq!((partition, record.key.as_deref()), (0, Some(&b"acme"[..])));
    }

    #[test]
    fn none_where_one_was_expected_is_a_whole_sentence_at_the_tests_line() {
        let (text, file) = panic_of(|| {
            faststream::testing::run(false, || async {
                let app = TestApp::start(app(module_path!())).await;
                let _ = app.published::<u64>("invoices").single();
            });
        });
        assert_eq!(text, "one record was expected in invoices, there is none");
        assert_eq!(file.as_deref(), Some(file!()));
    }

    #[test]
    fn an_unknown_topic_is_refused_at_the_tests_line() {
        for look in [
            (|app: &TestApp| drop(app.published::<u64>("invoice"))) as fn(&TestApp),
            |app| drop(app.dead_letters("order")),
            |app| drop(app.committed("shop", "order")),
            |app| app.append("order", &1),
        ] {
            let (text, file) = panic_of(|| {
                faststream::testing::run(false, || async {
                    look(&TestApp::start(app(module_path!())).await);
                });
            });
            assert!(text.contains("no handler reads or publishes `") && text.contains("lenient"), "{text}");
            assert_eq!(file.as_deref(), Some(file!()));
        }
    }
}

mod groups {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "orders", group = "billing")]
    async fn bill(_order: u64) {}

    #[subscriber(topic = "orders")]
    async fn ship(_order: u64) {}

    #[test]
    fn an_unknown_group_is_refused_at_the_tests_line_and_those_of_the_app_are_named() {
        let (text, file) = panic_of(|| {
            faststream::testing::run(false, || async {
                let app = FastStream::new(MemoryBroker::new()).module(module_path!());
                drop(TestApp::start(app).await.committed("ship", "orders"));
            });
        });
        for part in ["no handler has the group `ship`", r#"{"billing", "test"}"#, "`FastStream::name`"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert_eq!(file.as_deref(), Some(file!()));
    }

    #[faststream::test]
    async fn what_another_app_committed_on_a_shared_broker_is_seen() {
        let broker = MemoryBroker::new();
        let service = |name: &str| FastStream::new(broker.clone()).name(name).module(module_path!());
        let shop = TestApp::start(service("shop")).await;
        let mall = TestApp::start(service("mall")).await;
        shop.publish("orders", &1).await;
        shop.advance(Duration::from_secs(2)).await;
        assert!(mall.shutdown().await.code == 0);
        assert_eq!(shop.committed("mall", "orders"), [(0, 1)].into());
        assert!(shop.lenient().committed("nobody", "orders").is_empty());
    }
}

mod failed_start {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "orders")]
    async fn take(_order: u64) {}

    #[test]
    fn a_start_that_fails_says_so_in_a_whole_sentence() {
        let failing = || async {
            let app = app(module_path!()).on_startup(async || Err::<(), _>("no licence"));
            TestApp::start(app).await
        };
        let (text, _) = panic_of(|| drop(faststream::testing::run(false, failing)));
        assert_eq!(text, "the app did not start: hook 1 of `on_startup` failed: no licence");
    }

    /// What it prints is read: the panic hook knows no other line than the library's.
    #[test]
    fn a_start_that_fails_is_reported_at_the_tests_line() {
        const CHILD: &str = "FASTSTREAM_TEST_FAILS_TO_START";
        let name = "harness::failed_start::a_start_that_fails_is_reported_at_the_tests_line";
        if std::env::var_os(CHILD).is_some() {
            return faststream::testing::run(false, || async {
                let app = app(module_path!()).on_startup(async || Err::<(), _>("no licence"));
                drop(TestApp::start(app).await);
            });
        }
        let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
        let output = child.args(["--exact", name]).env(CHILD, "1").output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success());
        assert!(told.contains(&format!("panicked at {}:", file!())), "{told}");
    }
}

mod rejected {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "orders", on_decode_error = Skip)]
    async fn take(_order: u64) {}

    #[faststream::test]
    async fn a_record_that_could_not_be_read_is_no_call() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("orders", "no number").await;
        app.publish("orders", &1).await;
        let calls: Vec<_> = app.calls("take").into_iter().map(|call| call.offset).collect();
        assert_eq!(calls, [1]);
        let [rejection] = &app.rejections("take")[..] else { panic!("one rejection") };
        assert_eq!(rejection.offset, 0);
        assert!(
            rejection.error.as_deref().is_some_and(|error| error.contains("not of `u64`")),
            "{rejection:?}"
        );
    }
}

mod letters {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "orders", on_error = DeadLetter, retry(attempts = 1))]
    async fn refuse(_order: u64) -> Result<(), String> {
        Err("no such item".into())
    }

    #[faststream::test]
    async fn a_dead_letter_has_its_error_under_its_headers_name() {
        let app = TestApp::start(app(module_path!())).await;
        app.publish("orders", &1).await;
        assert_eq!(app.dead_letters("orders")[0].error_message, "no such item");
    }
}

mod in_real_time {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "orders")]
    async fn take(_order: u64) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    #[faststream::test(real_time)]
    async fn what_has_settled_is_committed() {
        let app = TestApp::start(app(module_path!())).await;
        let began = std::time::Instant::now();
        for order in 1..=5_i64 {
            app.publish("orders", &order).await;
            assert_eq!(app.committed("shop", "orders"), [(0, order)].into());
        }
        assert!(began.elapsed() < Duration::from_secs(4), "not by the timer: {:?}", began.elapsed());
    }

    #[faststream::test(real_time)]
    async fn commits_that_fail_keep_no_test_for_long() {
        let app = TestApp::start(app(module_path!())).await;
        app.broker().fail_commits(faststream::CommitClass::Transient, 1_000);
        app.publish("orders", &1).await;
        assert!(app.committed("shop", "orders").is_empty());
    }
}

mod chain {
    use faststream::{publisher, subscriber};

    use super::*;

    mod billing {
        use super::*;

        #[subscriber(topic = "orders", group = "billing")]
        #[publisher(topic = "invoices")]
        async fn bill(order: u64) -> u64 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            order * 10
        }
    }

    mod mailing {
        use super::*;

        #[subscriber(topic = "invoices", group = "mailing")]
        #[publisher(topic = "mails")]
        async fn mail(invoice: u64) -> String {
            tokio::time::sleep(Duration::from_secs(5)).await;
            format!("pay {invoice}")
        }
    }

    #[faststream::test]
    async fn two_services_on_one_broker_are_a_chain() {
        let broker = MemoryBroker::new();
        let service = |name: &str, module: &str| {
            FastStream::new(broker.clone()).name(name).module(format!("{}::{module}", module_path!()))
        };
        let billing = TestApp::start(service("billing", "billing")).await;
        let mailing = TestApp::start(service("mailing", "mailing")).await;
        billing.publish("orders", &7).await;
        // It returned when the other service had settled, too.
        assert_eq!(mailing.published::<String>("mails").single(), "pay 70");
        assert_eq!(broker.records("invoices").len(), 1);
        mailing.publish("invoices", &3).await;
        assert_eq!(mailing.published::<String>("mails").all(), ["pay 70", "pay 3"]);
        assert_eq!((billing.shutdown().await.code, mailing.shutdown().await.code), (0, 0));
    }

    #[faststream::test]
    async fn what_was_in_the_broker_before_is_read() {
        let broker = MemoryBroker::new();
        broker.append(faststream::Outgoing::new("invoices", "5")).expect("it appends");
        let app =
            FastStream::new(broker.clone()).name("mailing").module(concat!(module_path!(), "::mailing"));
        let app = TestApp::start(app).await;
        app.settle().await;
        assert_eq!(app.published::<String>("mails").single(), "pay 5");
    }

    #[faststream::test]
    async fn a_broker_of_ones_own_keeps_the_clock_of_tests() {
        let app =
            FastStream::new(MemoryBroker::new()).name("mailing").module(concat!(module_path!(), "::mailing"));
        let app = TestApp::start(app).await;
        app.publish("invoices", &1).await;
        let (_, record) = app.published::<String>("mails").single_record();
        // 2020-01-01, and the five seconds of the handler.
        assert_eq!(record.timestamp, Some(1_577_836_805_000));
    }
}

mod conflict {
    use faststream::subscriber;

    use super::*;

    #[subscriber(topic = "conflicts", group = "conflicting")]
    async fn first(_order: u64) {}

    mod of_another_test {
        use super::*;

        #[subscriber(topic = "conflicts", group = "conflicting")]
        async fn second(_order: u64) {}
    }

    #[test]
    fn a_handler_of_another_test_is_left_out_by_module_as_the_conflict_says() {
        let (text, _) = panic_of(|| {
            faststream::testing::run(false, || async { drop(TestApp::start(app(module_path!())).await) });
        });
        assert!(text.contains("the app cannot start") && text.contains("`.module(\""), "{text}");
    }
}

mod endless {
    use faststream::{publisher, subscriber};

    use super::*;

    #[subscriber(topic = "loop")]
    #[publisher(topic = "loop")]
    async fn again(round: u64) -> u64 {
        round + 1
    }

    #[test]
    fn a_test_that_never_ends_says_what_was_called_most() {
        const CHILD: &str = "FASTSTREAM_TEST_LOOPS";
        let name = "harness::endless::a_test_that_never_ends_says_what_was_called_most";
        if std::env::var_os(CHILD).is_some() {
            return faststream::testing::run(false, || async {
                let app = TestApp::start(app(module_path!())).await;
                app.publish("loop", &0).await;
            });
        }
        let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
        child.args(["--exact", name]).env(CHILD, "1").env("FASTSTREAM_TEST_LIMIT", "500ms");
        let output = child.output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(101), "{told}");
        let (_, most) = told.split_once("called most: again, ").unwrap_or_else(|| panic!("{told}"));
        let (count, place) = most.split_once(" calls at ").expect("a number");
        assert!(
            place.starts_with("loop/0;")
                && count.replace(',', "").parse::<u64>().is_ok_and(|count| count > 10),
            "{told}"
        );
    }
}

mod topics {
    use faststream::{Publisher, State, subscriber};

    use super::*;

    const ILLEGAL: [&str; 6] = ["", "two words", "größe", "a/b", "..", "a\nb"];

    #[subscriber(topic = "in")]
    async fn pass_on(
        which: usize,
        publisher: Publisher,
        State(refused): State<std::sync::Arc<Mutex<Vec<String>>>>,
    ) {
        let error = publisher.send(ILLEGAL[which], &1).await.expect_err("no such topic can exist");
        refused.lock().expect("not poisoned").push(error.to_string());
    }

    #[faststream::test]
    async fn a_topic_that_kafka_cannot_make_is_refused_in_tests_too() {
        let refused = std::sync::Arc::<Mutex<Vec<String>>>::default();
        let app = TestApp::start(app(module_path!()).state(std::sync::Arc::clone(&refused))).await;
        for which in 0..ILLEGAL.len() {
            app.publish("in", &which).await;
        }
        let refused = refused.lock().expect("not poisoned");
        assert_eq!(refused.len(), ILLEGAL.len(), "{:?}", app.held());
        assert!(refused.iter().all(|error| error.contains("1 to 249 letters")), "{refused:?}");
        assert!(!ILLEGAL.iter().any(|topic| app.broker().has_topic(topic)));
    }
}

//! What may be meant, or may not: a warning at start.

use faststream::memory::MemoryBroker;
use faststream::{FastStream, LaunchOptions, Plan, publisher, subscriber};

mod loops {
    use super::*;

    #[subscriber(topic = "loop")]
    #[publisher(topic = "loop")]
    async fn again(number: u64) -> u64 {
        number + 1
    }

    #[subscriber(topic = "there")]
    #[publisher(topic = "back.1")]
    async fn there(number: u64) -> u64 {
        number
    }

    #[subscriber(pattern = "^back\\.", retry(attempts = 1), dead_letter = "there")]
    async fn back(_number: u64) {}

    #[test]
    fn a_handler_whose_records_come_back_to_it_is_warned_of_at_start_with_its_topic() {
        let warnings = plan(module_path!(), LaunchOptions::default()).warnings().to_vec();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        let again = "for ever: again (tests/cases/warnings.rs:";
        assert!(
            warnings[0].contains(again) && warnings[0].contains("publishes to `loop`, which it reads"),
            "{warnings:?}"
        );
        assert!(
            warnings[1].contains("publishes to `back.1`, which back (tests/cases/warnings.rs:"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("has its dead letters in `there`, which there reads"), "{warnings:?}");
    }
}

mod plain {
    use super::*;

    #[subscriber(topic = "numbers", retry(topics = ["10s"]), on_error = DeadLetter)]
    #[publisher(topic = "out")]
    async fn plain(number: u64) -> u64 {
        number
    }

    #[test]
    fn a_plain_app_is_warned_of_nothing_and_names_its_package() {
        let plan =
            plan(module_path!(), LaunchOptions { package: Some("faststream"), ..LaunchOptions::default() });
        assert!(plan.warnings().is_empty(), "{:?}", plan.warnings());
        assert_eq!(plan.packages(), "faststream (1)");
    }

    #[test]
    fn a_program_whose_panics_abort_is_warned_at_start() {
        let plan = plan(module_path!(), LaunchOptions { panics_abort: true, ..LaunchOptions::default() });
        let warnings = plan.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("`panic = \"abort\"`"), "{warnings:?}");
        assert!(warnings[0].contains("comes again after each restart"), "{warnings:?}");
    }
}

fn plan(module: &str, setting: LaunchOptions) -> Plan {
    let app = FastStream::new(MemoryBroker::new()).name("warnings").module(module);
    app.plan(setting).expect("a right app")
}

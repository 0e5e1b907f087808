//! Groups that begin at the end: what they pass, and that they say so.

use std::time::Duration;

use crate::broker::Kafka;
use crate::client::{create_topic, delete_group, produce};
use crate::members::{Group, PROTOCOLS};
use crate::rights::{listen, logged};
use crate::wait::wait_quickly;

/// The warnings about records that are passed.
fn passed(topic: &str) -> Vec<String> {
    logged(topic).into_iter().filter(|line| line.contains("begins at the end (`start = Latest`)")).collect()
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_group_whose_offsets_have_expired_says_how_many_records_it_passes_by_beginning_at_the_end() {
    listen();
    let kafka = Kafka::start("latest");
    for protocol in PROTOCOLS {
        let name = format!("latest-{protocol:?}");
        create_topic(&kafka.address(), &name, 2);
        let mut group = Group::new(&kafka.address(), &name, protocol, 2);
        group.latest = true;
        let write =
            |first, count| produce(&group.brokers, &name, 2, first, count, |id| format!(r#"{{"id":{id}}}"#));
        let member = group.join();
        member.owns(&name, 2);
        write(0, 10);
        wait_quickly("what comes later is handled", || member.count() == 10);
        group.all_is_committed(&name);
        member.stop_cleanly(&name);
        assert!(passed(&name).is_empty(), "an empty topic has nothing to pass: {:?}", passed(&name));
        // What is committed is where it goes on.
        write(10, 10);
        let member = group.join();
        wait_quickly("what came meanwhile is handled", || member.count() == 10);
        group.all_is_committed(&name);
        member.stop_cleanly(&name);
        assert!(passed(&name).is_empty(), "{:?}", passed(&name));

        write(20, 30);
        delete_group(&group.brokers, &name);
        let member = group.join();
        member.owns(&name, 2);
        wait_quickly("it is warned of", || !passed(&name).is_empty());
        let [line] = &passed(&name)[..] else { panic!("{name}: {:?}", passed(&name)) };
        for word in ["WARN", "records=50", "offsets.retention.minutes"] {
            assert!(line.contains(word), "{name}: no {word} in {line}");
        }
        write(50, 4);
        wait_quickly("what comes later is handled", || member.count() == 4);
        group.all_is_committed(&name);
        member.stop_cleanly(&name);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(passed(&name).len(), 1, "{name}: {:?}", passed(&name));
    }
}

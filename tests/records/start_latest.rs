//! `start = Latest` skips what a new group finds, and nothing that comes later.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, Metadata, Outgoing, Partition, State, TestApp, subscriber};
use tokio::time::sleep;

/// What was handled, by partition and offset.
type Seen = Arc<Mutex<Vec<(i32, i64)>>>;

#[subscriber(topic = "orders", group = "latest", start = Latest)]
async fn handle(_id: u64, metadata: Metadata, State(seen): State<Seen>) {
    seen.lock().expect("not poisoned").push((metadata.partition, metadata.offset));
}

fn app(broker: &MemoryBroker) -> (FastStream, Seen) {
    let seen = Seen::default();
    (FastStream::new(broker.clone()).name("latest").module(module_path!()).state(Arc::clone(&seen)), seen)
}

fn taken(seen: &Seen) -> Vec<(i32, i64)> {
    let mut all = std::mem::take(&mut *seen.lock().expect("not poisoned"));
    all.sort_unstable();
    all
}

fn order(partition: i32) -> Outgoing {
    Outgoing { partition: Partition::Exactly(partition), ..Outgoing::new("orders", "1") }
}

#[faststream::test]
async fn a_partition_that_is_added_is_read_from_its_beginning_whatever_was_written_before_it_was_noticed() {
    let (app, seen) = app(&MemoryBroker::new());
    let app = TestApp::start(app).await;
    app.publish_record(order(0)).await;
    // It is not known at once where the new partition begins.
    app.broker().fail_offset_fetch(3);
    app.broker().add_partitions("orders", 2);
    (0..3).for_each(|_| app.append_record(order(1)));
    app.settle().await;
    app.advance(Duration::from_secs(2)).await;
    assert_eq!(taken(&seen), [(0, 0), (1, 0), (1, 1), (1, 2)]);
    assert_eq!(app.committed("latest", "orders"), [(0, 1), (1, 3)].into());
}

#[faststream::test]
async fn partitions_that_are_added_while_nobody_runs_are_read_from_their_beginning() {
    let broker = MemoryBroker::new();
    broker.create_topic("orders", 2);
    let append = |partition| _ = broker.append(order(partition)).expect("it is there");
    (0..5).for_each(|_| append(0));
    let run = async || {
        let (app, seen) = app(&broker);
        assert_eq!(app.run_until(sleep(Duration::from_secs(10))).await.code, 0);
        (taken(&seen), broker.committed("latest", "orders"))
    };
    assert_eq!(run().await, (Vec::new(), [(0, 5), (1, 0)].into()), "what was there is skipped");
    append(0);
    append(1);
    broker.add_partitions("orders", 4);
    append(2);
    append(2);
    let handled = vec![(0, 5), (1, 0), (2, 0), (2, 1)];
    assert_eq!(run().await, (handled, [(0, 6), (1, 1), (2, 2), (3, 0)].into()));
}

#[faststream::test]
async fn members_that_begin_a_group_together_skip_what_is_there_all_of_them() {
    let broker = MemoryBroker::new();
    broker.create_topic("orders", 4);
    (0..4).for_each(|partition| _ = broker.append(order(partition)).expect("it is there"));
    let (one, seen) = app(&broker);
    let (other, seen_too) = app(&broker);
    let later = async {
        sleep(Duration::from_secs(5)).await;
        (0..4).for_each(|partition| _ = broker.append(order(partition)).expect("it is there"));
    };
    let ten = || sleep(Duration::from_secs(10));
    let (one, other, ()) = tokio::join!(one.run_until(ten()), other.run_until(ten()), later);
    assert_eq!((one.code, other.code), (0, 0));
    let (mut all, more) = (taken(&seen), taken(&seen_too));
    assert_eq!((all.len(), more.len()), (2, 2), "they share the partitions");
    all.extend(more);
    all.sort_unstable();
    assert_eq!(all, [(0, 1), (1, 1), (2, 1), (3, 1)]);
}

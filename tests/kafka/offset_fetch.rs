//! The group's offsets cannot be fetched, at a start and when partitions are taken over: fetching begins all the same, as
//! soon as the coordinator is well.

use std::thread;
use std::time::Duration;

use faststream::kafka::Protocol;

use crate::behind_proxy::{BehindProxy, in_full, play_all};
use crate::members::{Feed, PROTOCOLS, none_is_lost};
use crate::proxy::{Active, Api, Fault, Rule};
use crate::wait::wait_quickly;

const PARTITIONS: i32 = 4;
/// Records a second, over all partitions.
const RATE: u64 = 400;
/// From the last refusal to the first record.
const WITHIN: Duration = Duration::from_millis(2_500);
/// 30 is the group's authorization.
const CODES: [i16; 8] = [16, 15, -1, 14, 22, 25, 113, 30];
/// Those that a plain run plays: two that librdkafka shows, one that it hides, and the one that looks permanent.
const FEW: [i16; 4] = [16, -1, 25, 30];

#[derive(Debug, Clone, Copy)]
struct Cell {
    protocol: Protocol,
    code: i16,
    refused: Refused,
}

#[derive(Debug, Clone, Copy)]
enum Refused {
    Times(usize),
    /// Longer than an assignment waits for its offsets.
    Long,
}

const LONG: Duration = Duration::from_secs(4);

#[test]
#[ignore = "needs Java and Maven"]
fn offsets_that_cannot_be_fetched_leave_no_partition_deaf() {
    let world = BehindProxy::shared();
    let mut cells = Vec::new();
    for protocol in PROTOCOLS {
        let mut add = |codes: &[i16], refused: Refused| {
            cells.extend(codes.iter().map(|code| Cell { protocol, code: *code, refused }));
        };
        if in_full() {
            for refused in [Refused::Times(1), Refused::Times(3), Refused::Long] {
                add(&CODES, refused);
            }
        } else {
            add(&FEW, Refused::Times(3));
            add(&[25], Refused::Long);
        }
    }
    play_all(&cells, |cell| play(&world, *cell));
}

/// Refused at the first member's start, when a second joins, and when the first takes over what the second leaves.
fn play(world: &BehindProxy, cell: Cell) -> Result<String, String> {
    let Cell { protocol, code, refused } = cell;
    let what = format!("{protocol:?}, {code} {refused:?}");
    let group = world.group("offset-fetch", protocol, PARTITIONS);
    let feed = Feed::start(&group, RATE);
    let refuse = || {
        let rule = Rule::new(Api::OffsetFetch, Fault::Refuse(code)).group(&group.name);
        world.proxy.hurt(match refused {
            Refused::Times(times) => rule.times(times),
            Refused::Long => rule.lasting(LONG),
        })
    };
    let healthy = |refusing: &Active| {
        wait_quickly(&format!("{what}: all are refused"), || refusing.is_over());
        refusing.last_hit().expect("some were refused")
    };

    let refusing = refuse();
    let first = group.join();
    let well = healthy(&refusing);
    let at_start = first.first_since(&what, well) - well;

    let refusing = refuse();
    let second = group.join();
    let well = healthy(&refusing);
    let at_join = second.first_since(&what, well) - well;
    // What both have is settled, whichever protocol.
    second.owns(&what, 2);
    first.owns(&what, 2);
    thread::sleep(Duration::from_millis(500));

    let refusing = refuse();
    let mut all = second.stop_cleanly(&what);
    let well = healthy(&refusing);
    first.owns(&what, 4);
    let mut at_takeover = Duration::ZERO;
    for partition in 0..PARTITIONS {
        let at = first.first_of_since(&what, partition, well);
        at_takeover = at_takeover.max(at.saturating_duration_since(well));
    }
    let written = feed.finish();
    group.all_is_committed(&what);
    all.extend(first.stop_cleanly(&what));
    let again = none_is_lost(&what, &all, written);

    let line = format!(
        "{what}: first record after {at_start:?} at the start, {at_join:?} at a join, {at_takeover:?} at a takeover; {again} again of {written}"
    );
    if at_start.max(at_join).max(at_takeover) > WITHIN { Err(line) } else { Ok(line) }
}

//! Commits are refused while a second member joins: every code, every protocol. Nobody stands still, nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::Protocol;

use crate::behind_proxy::{BehindProxy, in_full, play_all};
use crate::chaos::Crew;
use crate::client::ends;
use crate::members::{Feed, PROTOCOLS, SESSION, longest_gap, none_is_lost};
use crate::proxy::{Api, Fault, Rule};
use crate::wait::wait_quickly;

const PARTITIONS: i32 = 4;
/// Records a second, over all partitions.
const RATE: u64 = 400;
const OUTAGE: Duration = Duration::from_secs(3);
const CODES: [i16; 8] = [27, 22, 25, 16, 15, 14, 7, -1];
/// Those that a plain run plays: one of each class.
const FEW: [i16; 4] = [27, 22, 25, 16];

#[derive(Debug, Clone, Copy)]
struct Cell {
    protocol: Protocol,
    /// The code, and whether for the whole outage or once; none is the join without errors.
    refused: Option<(i16, bool)>,
}

/// How long kept partitions paused at joins without errors, by protocol.
type Baseline = Mutex<BTreeMap<String, Duration>>;

#[test]
#[ignore = "needs Java and Maven"]
fn commits_refused_during_a_join_lose_nothing_and_stop_nobody() {
    let world = BehindProxy::shared();
    let baseline = Baseline::default();
    let sound = PROTOCOLS.map(|protocol| Cell { protocol, refused: None });
    play_all(&[sound; 4].concat(), |cell| play(&world, *cell, &baseline));
    let codes = if in_full() { &CODES[..] } else { &FEW[..] };
    let lasting = if in_full() { &[false, true][..] } else { &[true][..] };
    let mut cells = Vec::new();
    for protocol in PROTOCOLS {
        for code in codes {
            cells.extend(lasting.iter().map(|lasts| Cell { protocol, refused: Some((*code, *lasts)) }));
        }
    }
    play_all(&cells, |cell| play(&world, *cell, &baseline));
}

/// A member works, a second joins while commits are refused, and leaves when all is well again.
fn play(world: &BehindProxy, cell: Cell, baseline: &Baseline) -> Result<String, String> {
    let what = match cell.refused {
        None => format!("{:?}, no error", cell.protocol),
        Some((code, lasts)) => {
            format!("{:?}, {code} {}", cell.protocol, if lasts { "for 3 s" } else { "once" })
        }
    };
    let group = world.group("commits", cell.protocol, PARTITIONS);
    let feed = Feed::start(&group, RATE);
    let first = group.join();
    first.first_since(&what, Instant::now());
    // Into the middle of the commits' intervals.
    thread::sleep(Duration::from_millis(1_500));

    let from = Instant::now();
    let refusing = cell.refused.map(|(code, lasts)| {
        let rule = Rule::new(Api::OffsetCommit, Fault::Refuse(code)).group(&group.name);
        world.proxy.hurt(if lasts { rule.lasting(OUTAGE) } else { rule.times(1) })
    });
    let second = group.join();
    let newcomer = second.first_since(&what, from) - from;
    let settled = Duration::from_millis(1_500);
    let fatal = cell.protocol == Protocol::Consumer && matches!(cell.refused, Some((22, _)));
    let ghost = matches!(cell.refused, Some((25, _)));
    let more = if fatal || ghost { SESSION + Duration::from_secs(2) } else { Duration::ZERO };
    thread::sleep((from + OUTAGE + settled + more).saturating_duration_since(Instant::now()));
    let gap = longest_gap(&first.all(), from, Instant::now());
    let refused = refusing.map_or(0, |rule| {
        rule.end();
        rule.hits()
    });

    let mut all = second.stop_cleanly(&what);
    first.owns(&what, 4);
    let written = feed.finish();
    group.all_is_committed(&what);
    all.extend(first.stop_cleanly(&what));
    let again = none_is_lost(&what, &all, written);

    let line =
        format!("{what}: gap {gap:?}, newcomer {newcomer:?}, {refused} refused, {again} again of {written}");
    let mut baseline = baseline.lock().unwrap_or_else(PoisonError::into_inner);
    let known = baseline.entry(format!("{:?}", cell.protocol)).or_default();
    if cell.refused.is_none() {
        *known = gap.max(*known);
        return Ok(line);
    }
    let allowed = *known + Duration::from_secs(1) + more;
    if refused == 0 {
        return Err(format!("{line}; no commit was refused"));
    }
    if gap > allowed { Err(format!("{line}; {allowed:?} allowed")) } else { Ok(line) }
}

/// It is sent once more after the timeout: behind a newer one, it would set the group back.
#[test]
#[ignore = "needs Java and Maven"]
fn a_commit_without_an_answer_sets_the_group_back_neither_at_work_nor_at_the_end() {
    let world = BehindProxy::shared();
    play_all(&PROTOCOLS, |protocol| {
        let what = format!("{protocol:?}");
        let group = world.group("unanswered", *protocol, PARTITIONS).property("socket.timeout.ms", "1500");
        let swallow = || {
            let rule = Rule::new(Api::OffsetCommit, Fault::Swallow).group(&group.name).times(1);
            let swallowed = world.proxy.hurt(rule);
            wait_quickly(&format!("{what}: a commit is not answered"), || swallowed.hits() == 1);
        };
        let feed = Feed::start(&group, RATE);
        let member = group.join();
        member.first_since(&what, Instant::now());
        wait_quickly(&what, || group.committed().len() == 4);

        swallow();
        let (until, mut before, mut samples) = (Instant::now() + OUTAGE, group.committed(), 0);
        while Instant::now() < until {
            let now = group.committed();
            let went_back = now.iter().any(|(partition, next)| *next < before[partition]);
            assert!(!went_back, "{what}: from {before:?} to {now:?}");
            (before, samples) = (now, samples + 1);
        }

        swallow();
        let written = feed.finish();
        wait_quickly(&what, || member.count() as u64 == written);
        let all = member.stop_cleanly(&what);
        let (committed, ends) = (group.committed(), ends(&group.brokers, &group.name, PARTITIONS));
        assert_eq!(committed, ends, "{what}: after the stop");
        assert_eq!(none_is_lost(&what, &all, written), 0, "{what}: handled again");
        Ok(format!("{what}: looked {samples} times"))
    });
}

/// A member dies, and another joins: requests to join wait at the broker until the session of the dead one is over, and
/// so would a commit behind them, to be refused in the end.
#[test]
#[ignore = "needs Java and Maven"]
fn while_a_member_joins_no_commit_is_sent_and_none_is_refused() {
    let what = "join";
    let world = BehindProxy::shared();
    let group = world.group("join", Protocol::Cooperative, PARTITIONS);
    let feed = Feed::start(&group, RATE);
    let first = group.join();
    first.first_since(what, Instant::now());
    // Changes nothing, and counts.
    let rule = Rule::new(Api::OffsetCommit, Fault::Delay(Duration::ZERO)).group(&group.name);
    let commits = world.proxy.hurt(rule);
    let all_is_well = || assert_eq!(first.running.health().reasons, Vec::<String>::new(), "{what}");

    let crew = Crew::new(&group);
    let second = crew.start(0);
    wait_quickly(what, || {
        all_is_well();
        first.running.partitions() == 2
    });
    wait_quickly("the first one has joined again", || {
        all_is_well();
        commits.hits() > 3
    });
    let killed = Instant::now();
    second.kill();
    let third = group.join();
    // By then a heartbeat has told the first one, and its request waits: the dead one's session of 6 s is not over.
    let waits_until = killed + Duration::from_millis(4_500);
    thread::sleep(Duration::from_secs(2));
    let before = commits.hits();
    thread::sleep(waits_until.saturating_duration_since(Instant::now()));
    assert_eq!(third.running.partitions(), 0, "{what}: it still waits");
    assert_eq!(commits.hits(), before, "{what}: commits while it waits");
    wait_quickly(what, || {
        all_is_well();
        third.running.partitions() == 2
    });

    let written = feed.finish();
    group.all_is_committed(what);
    let mut all = third.stop_cleanly(what);
    all.extend(first.stop_cleanly(what));
    let ids = crew.lines().into_iter().map(|line| line.id);
    let ids: BTreeSet<u64> = all.iter().map(|handled| handled.id).chain(ids).collect();
    assert_eq!(ids.len() as u64, written, "{what}: lost");
}

/// 29 is the topic's authorization.
#[test]
#[ignore = "needs Java and Maven"]
fn a_commit_that_is_refused_for_one_partition_is_told_of_that_one_until_it_is_accepted() {
    const TOPIC_AUTHORIZATION: i16 = 29;
    let what = "one of four";
    let world = BehindProxy::shared();
    let group = world.group("one", Protocol::Cooperative, PARTITIONS);
    let feed = Feed::start(&group, RATE);
    let member = group.join();
    let first = member.first_since(what, Instant::now());
    let rule = Rule::new(Api::OffsetCommit, Fault::RefuseOne(TOPIC_AUTHORIZATION)).group(&group.name);
    let refusing = world.proxy.hurt(rule);
    let is_told = || {
        let reasons = member.running.health().reasons;
        let of = |partition: i32| {
            let place = format!("{}/{partition} at offset", group.name);
            reasons.iter().any(|why| why.contains(&place) && why.contains("TopicAuthorizationFailed"))
        };
        (0..PARTITIONS).filter(|partition| of(*partition)).count()
    };
    wait_quickly("the refusal is told", || is_told() == 1);
    // Through accepted commits of the others, too.
    wait_quickly("three commits are refused", || {
        assert_eq!(is_told(), 1, "told all the time");
        refusing.hits() >= 3
    });
    refusing.end();
    wait_quickly("all is well again", || !member.running.health().degraded);
    let gap = longest_gap(&member.all(), first, Instant::now());
    assert!(gap < Duration::from_secs(1), "nothing for {gap:?}");
    let written = feed.finish();
    group.all_is_committed(what);
    assert_eq!(none_is_lost(what, &member.stop_cleanly(what), written), 0, "handled again");
}

/// 22 is an illegal generation: each such answer costs the membership, and all that was handled since the last commit is
/// handled again.
#[test]
#[ignore = "needs Java and Maven"]
fn a_membership_that_is_lost_by_each_commit_is_not_lost_every_second() {
    const ILLEGAL_GENERATION: i16 = 22;
    let world = BehindProxy::shared();
    let outages: &[u64] = if in_full() { &[3, 8, 20] } else { &[8] };
    let cells: Vec<(Protocol, u64)> =
        outages.iter().flat_map(|seconds| PROTOCOLS.map(|protocol| (protocol, *seconds))).collect();
    play_all(&cells, |(protocol, seconds)| {
        let what = format!("{protocol:?}, refused for {seconds} s");
        let group = world.group("costly", *protocol, PARTITIONS);
        let feed = Feed::start(&group, RATE);
        let member = group.join();
        member.first_since(&what, Instant::now());
        wait_quickly(&what, || group.committed().len() == 4);
        let outage = Duration::from_secs(*seconds);
        let rule = Rule::new(Api::OffsetCommit, Fault::Refuse(ILLEGAL_GENERATION)).group(&group.name);
        let refusing = world.proxy.hurt(rule.lasting(outage));
        let ended = Instant::now() + outage;
        thread::sleep(outage);
        let written = feed.finish();
        group.all_is_committed(&what);
        let late = ended.elapsed();
        let all = member.stop_cleanly(&what);
        let again = none_is_lost(&what, &all, written);
        let mut times: BTreeMap<u64, u32> = BTreeMap::new();
        for handled in &all {
            *times.entry(handled.id).or_default() += 1;
        }
        let most = times.values().copied().max().unwrap_or_default();
        let hits = refusing.hits();
        let line = format!(
            "{what}: {hits} refused, a record handled {most} times at most, {again} again of {written}, all committed \
             {late:?} after the end"
        );
        // The first one, what pauses that double allow, and one by chance.
        let allowed = 3 + (seconds / 2 + 1).ilog2();
        let is_late = late > outage + SESSION + Duration::from_secs(4);
        if most > allowed || is_late { Err(format!("{line}; {allowed} times allowed")) } else { Ok(line) }
    });
}

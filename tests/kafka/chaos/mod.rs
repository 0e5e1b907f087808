//! Everything at once, by seed: members are killed, frozen and stopped, commits, offset fetches and heartbeats refused,
//! connections cut. Nothing is lost, nothing stands still for good.
//!
//! `CHAOS_SECONDS` and `CHAOS_SEEDS` say how long, and how many; `CHAOS_SEED` replays one. `CHAOS_CLASSIC` plays kills, freezes
//! and refused commits alone, with members of the classic protocol. `CHAOS_RAW` plays each seed a second time, with loops that
//! are written by hand: how long they stand still is what can be had for these acts.

mod crew;
mod frozen;
mod raw;

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use faststream::kafka::Protocol;

pub(crate) use self::crew::{Crew, Line};
use crate::behind_proxy::{BehindProxy, number, play_all};
use crate::members::{Feed, Group, PROTOCOLS, SESSION};
use crate::proxy::{Active, Api, Fault, Rule};
use crate::service::Service;
use crate::wait::wait_until;

const MEMBERS: usize = 3;
const PARTITIONS: i32 = 6;
/// Records a second, over all partitions.
const RATE: u64 = 600;
const CODES: [i16; 8] = [27, 22, 25, 16, 15, 14, 7, -1];
/// Everything is handled and committed so long after the last act.
const CALM: Duration = Duration::from_secs(40);

#[test]
#[ignore = "needs Java and Maven"]
fn chaos_loses_nothing_whatever_the_protocol() {
    let world = BehindProxy::shared();
    let time = Duration::from_secs(number("CHAOS_SECONDS", 10));
    let first = number("CHAOS_SEED", 1);
    let seeds = first..first + number("CHAOS_SEEDS", 1);
    // Other acts for each protocol.
    let cell =
        |seed: u64| (0..).zip(PROTOCOLS).map(move |(number, protocol)| (protocol, seed + 1_000 * number));
    let cells = seeds.flat_map(cell).filter(|(protocol, _)| !is_classic() || *protocol != Protocol::Consumer);
    let raw: &[bool] = if std::env::var_os("CHAOS_RAW").is_some() { &[false, true] } else { &[false] };
    let cells: Vec<(Protocol, u64, bool)> =
        cells.flat_map(|(protocol, seed)| raw.iter().map(move |raw| (protocol, seed, *raw))).collect();
    play_all(&cells, |(protocol, seed, raw)| Ok(Chaos::new(&world, *protocol, *seed, *raw).play(time)));
}

/// Whether only some acts are played, and only with classic members.
fn is_classic() -> bool {
    std::env::var_os("CHAOS_CLASSIC").is_some()
}

enum Member {
    Runs(Service),
    Frozen { service: Service, until: Instant },
}

struct Chaos<'a> {
    world: &'a BehindProxy,
    group: Group,
    crew: Crew,
    members: Vec<Member>,
    rules: Vec<Active>,
    random: Rng,
    is_raw: bool,
    what: String,
    began: Instant,
}

impl<'a> Chaos<'a> {
    fn new(world: &'a BehindProxy, protocol: Protocol, seed: u64, is_raw: bool) -> Self {
        let group = world.group("chaos", protocol, PARTITIONS);
        let crew = if is_raw { Crew::new_raw(&group) } else { Crew::new(&group) };
        let members = (0..MEMBERS).map(|member| Member::Runs(crew.start(member))).collect();
        let who = if is_raw { "loops by hand" } else { "faststream" };
        let what = format!("{protocol:?}, seed {seed}, {who} ({})", group.name);
        let random = Rng::with_seed(seed);
        Self { world, group, crew, members, rules: Vec::new(), random, is_raw, what, began: Instant::now() }
    }

    /// What came of it.
    fn play(mut self, time: Duration) -> String {
        let feed = Feed::start(&self.group, RATE);
        wait_until(&self.what, Duration::from_secs(30), || self.crew.lines().len() > 100);
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.act();
            self.thaw(Instant::now());
            thread::sleep(Duration::from_millis(self.random.u64(300..1_500)));
        }
        self.rules.iter().for_each(Active::end);
        self.thaw(Instant::now() + SESSION * 2);
        let written = feed.finish();
        let calm = Instant::now();
        let ends = crate::client::ends(&self.group.brokers, &self.group.name, PARTITIONS);
        wait_until(&format!("{}: all is committed ({ends:?})", self.what), CALM, || {
            self.group.committed() == ends
        });
        let calm = calm.elapsed();
        for member in std::mem::take(&mut self.members) {
            let (Member::Runs(service) | Member::Frozen { service, .. }) = member;
            self.crew.stop(service);
        }
        assert_eq!(self.group.committed(), ends, "{}: committed is the end", self.what);
        // What a loop by hand loses is its own matter.
        let again = if self.is_raw { self.crew.repeats() } else { self.crew.none_is_lost(written) };
        let (stall, partition, until) = self.crew.worst_stall();
        let silence = self.crew.silence(PARTITIONS);
        let began = SystemTime::now() - self.began.elapsed();
        let until = until.duration_since(began).unwrap_or_default();
        format!(
            "{}: {again} again of {written}, worst stall {stall:?} of partition {partition} until {until:?}, {silence:?} a \
             partition in all, all committed after {calm:?}, longest stop {:?}",
            self.what, self.crew.longest_stop
        )
    }

    fn act(&mut self) {
        let act = if is_classic() { [0, 2, 3, 4][self.random.usize(0..4)] } else { self.random.u8(0..10) };
        let member = self.random.usize(0..MEMBERS);
        let code = CODES[self.random.usize(0..CODES.len())];
        let short = Duration::from_millis(self.random.u64(200..3_000));
        let is_running = matches!(self.members[member], Member::Runs(_));
        match act {
            0 if is_running => {
                self.say(&format!("kill {member}"));
                let new = Member::Runs(self.crew.start(member));
                if let Member::Runs(service) = std::mem::replace(&mut self.members[member], new) {
                    service.kill();
                }
            }
            1 if is_running => {
                self.say(&format!("stop {member}"));
                let new = Member::Runs(self.crew.start(member));
                if let Member::Runs(service) = std::mem::replace(&mut self.members[member], new) {
                    self.crew.stop(service);
                }
            }
            2 if is_running => {
                let new = self.members.swap_remove(member);
                if let Member::Runs(service) = new {
                    self.say(&format!("freeze {member}"));
                    service.freeze();
                    let until = Instant::now() + SESSION + Duration::from_secs(2);
                    self.members.push(Member::Frozen { service, until });
                }
            }
            0..=2 => {}
            3 | 4 => self.hurt(Api::OffsetCommit, Fault::Refuse(code), short),
            5 => self.hurt(Api::OffsetFetch, Fault::Refuse(code), short),
            6 => self.refuse_heartbeats(short),
            7 if short.as_millis().is_multiple_of(2) => self.hurt(Api::OffsetCommit, Fault::Cut, short),
            7 => {
                self.say("cut");
                self.world.proxy.cut();
            }
            8 => self.hurt(Api::OffsetCommit, Fault::Delay(Duration::from_secs(2)), short),
            _ => self.hurt(Api::OffsetCommit, Fault::Swallow, short),
        }
    }

    fn say(&self, act: &str) {
        println!("{}: {:?} {act}", self.what, self.began.elapsed());
    }

    fn refuse_heartbeats(&mut self, time: Duration) {
        let (apis, codes) = match self.group.protocol {
            // 110 is a fenced epoch.
            Protocol::Consumer => (&[Api::ConsumerGroupHeartbeat][..], &[25, 110, 16, 15, 14][..]),
            _ => (&[Api::Heartbeat, Api::JoinGroup, Api::SyncGroup][..], &[27, 22, 25, 16, 15][..]),
        };
        let (api, code) = (self.random.usize(0..apis.len()), self.random.usize(0..codes.len()));
        self.hurt(apis[api], Fault::Refuse(codes[code]), time);
    }

    fn hurt(&mut self, api: Api, fault: Fault, time: Duration) {
        self.say(&format!("{api:?} {fault:?} for {time:?}"));
        let rule = Rule::new(api, fault).group(&self.group.name).lasting(time);
        self.rules.push(self.world.proxy.hurt(rule));
    }

    fn thaw(&mut self, now: Instant) {
        for member in std::mem::take(&mut self.members) {
            self.members.push(match member {
                Member::Frozen { service, until } if until <= now => {
                    service.thaw();
                    Member::Runs(service)
                }
                other => other,
            });
        }
    }
}

//! Members as processes, and the file to which all of them append what they handle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use faststream::kafka::Protocol;

use super::raw;
use crate::broker::target;
use crate::members::{Group, SESSION};
use crate::service::Service;

/// What a stop may take beyond the drain time.
const BEYOND_DRAIN: Duration = Duration::from_secs(2);
const DRAIN: Duration = Duration::from_secs(5);

/// One line of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Milliseconds since the epoch.
    pub(crate) at: u64,
    pub(crate) partition: i32,
    pub(crate) id: u64,
}

/// Who may start members, and read what they did.
pub(crate) struct Crew {
    group: Group,
    properties: Vec<String>,
    file: PathBuf,
    /// Whether its members are loops that are written by hand.
    is_raw: bool,
    /// The longest stop so far.
    pub(crate) longest_stop: Duration,
}

impl Crew {
    pub(crate) fn new(group: &Group) -> Self {
        let file = target().join("kafka").join(format!("{}-{}.handled", group.name, std::process::id()));
        let _ = fs::remove_file(&file);
        let mut properties = Vec::new();
        match group.protocol {
            Protocol::Consumer => properties.push("group.protocol=consumer".to_owned()),
            protocol => {
                let assignor = if protocol == Protocol::Range { "range" } else { "cooperative-sticky" };
                properties.push(format!("partition.assignment.strategy={assignor}"));
                properties.push(format!("session.timeout.ms={}", SESSION.as_millis()));
            }
        }
        properties.extend(group.properties.iter().map(|(name, value)| format!("{name}={value}")));
        Self { group: group.clone(), properties, file, is_raw: false, longest_stop: Duration::ZERO }
    }

    /// One of loops that are written by hand, with the same settings.
    pub(super) fn new_raw(group: &Group) -> Self {
        let mut crew = Self::new(group);
        crew.is_raw = true;
        crew
    }

    pub(crate) fn start(&self, member: usize) -> Service {
        let properties: Vec<&str> = self.properties.iter().map(String::as_str).collect();
        let variables = [
            ("TOPIC", self.group.name.as_str()),
            ("GROUP", &self.group.name),
            ("MAX_UNCOMMITTED", &self.group.settings.max_uncommitted.to_string()),
            ("SLOW", &self.group.slow.as_millis().to_string()),
            ("HANDLED", self.file.to_str().expect("a path of text")),
        ];
        let log = format!("{}-{member}", self.group.name);
        if self.is_raw {
            return raw::start(&self.group.brokers, &log, &properties, &variables);
        }
        Service::start_service("chaos", &self.group.brokers, &log, &properties, &variables)
    }

    /// SIGTERM: it has to end well, and in time.
    pub(crate) fn stop(&mut self, member: Service) {
        let began = Instant::now();
        let status = member.terminate();
        let took = began.elapsed();
        self.longest_stop = self.longest_stop.max(took);
        if self.is_raw {
            return;
        }
        let name = &self.group.name;
        assert!(took < DRAIN + BEYOND_DRAIN, "{name}: SIGTERM ended it after {took:?}");
        assert_eq!(status.code(), Some(0), "{name}: SIGTERM ended it with {status}");
    }

    /// Whether something was handled.
    pub(crate) fn has_lines(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|file| file.len() > 0)
    }

    /// Everything that was handled, in the order of the file.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let parse = |line: &str| {
            let mut numbers = line.split(' ').map(|number| number.parse::<u64>().expect("a number"));
            let mut next = || numbers.next().expect("three numbers a line");
            let (at, partition, id) = (next(), next(), next());
            Line { at, partition: i32::try_from(partition).expect("small"), id }
        };
        text.lines().map(parse).collect()
    }

    /// How often records were handled again.
    pub(super) fn repeats(&self) -> usize {
        let lines = self.lines();
        lines.len() - lines.iter().map(|line| line.id).collect::<BTreeSet<u64>>().len()
    }

    /// How long a partition stood still, on average: silences of a second and more.
    pub(super) fn silence(&self, partitions: i32) -> Duration {
        let (mut last, mut sum) = (BTreeMap::new(), 0);
        for line in self.lines() {
            let before = last.insert(line.partition, line.at).unwrap_or(line.at);
            sum += Some(line.at.saturating_sub(before)).filter(|gap| *gap >= 1_000).unwrap_or(0);
        }
        Duration::from_millis(sum / u64::try_from(partitions).expect("some"))
    }

    /// Nothing that was written is missing; how often records were handled again.
    pub(crate) fn none_is_lost(&self, written: u64) -> usize {
        let lines = self.lines();
        let ids: BTreeSet<u64> = lines.iter().map(|line| line.id).collect();
        let missing: Vec<u64> = (0..written).filter(|id| !ids.contains(id)).take(10).collect();
        assert!(missing.is_empty(), "{}: lost of {written}: {missing:?}", self.group.name);
        lines.len() - ids.len()
    }

    /// The longest silence of any partition: how long, which one, and when it ended.
    pub(crate) fn worst_stall(&self) -> (Duration, i32, SystemTime) {
        let (mut last, mut worst) = (BTreeMap::new(), (0, 0, 0));
        for line in self.lines() {
            let before = last.insert(line.partition, line.at).unwrap_or(line.at);
            worst = worst.max((line.at.saturating_sub(before), line.partition, line.at));
        }
        let (time, partition, at) = worst;
        (Duration::from_millis(time), partition, SystemTime::UNIX_EPOCH + Duration::from_millis(at))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.file);
        }
    }
}

//! What the handlers under simulation do: by the seed, they take time, fail and panic.

use std::time::Duration;

use faststream::testing::{Random, block_for, random};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

/// What is worked on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
}

/// It failed, as it was to.
#[derive(Debug)]
pub(crate) struct Planned;

impl std::fmt::Display for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("planned")
    }
}

impl std::error::Error for Planned {}

impl Job {
    pub(crate) fn value(&self) -> Value {
        json!({ "id": self.id })
    }

    /// No job.
    pub(crate) fn unreadable(id: u64) -> Value {
        json!({ "id": format!("bad {id}") })
    }

    /// Takes its time, then maybe fails or panics.
    pub(crate) async fn work(self) -> Result<Self, Planned> {
        self.fail_by(0.12).await
    }

    /// Takes its time, and fails as often as not.
    pub(crate) async fn toil(self) -> Result<Self, Planned> {
        self.fail_by(0.5).await
    }

    /// Blocks its thread, then maybe fails or panics.
    pub(crate) fn block(self) -> Result<Self, Planned> {
        let mut random = random();
        if let Some(time) = some_time(&mut random) {
            block_for(time);
        }
        assert!(!random.fails(0.02), "planned");
        if random.fails(0.12) { Err(Planned) } else { Ok(self) }
    }

    /// Takes no time, and fails now and then.
    pub(crate) fn hurry(self) -> Result<Self, Planned> {
        if random().fails(0.05) { Err(Planned) } else { Ok(self) }
    }

    async fn fail_by(self, probability: f64) -> Result<Self, Planned> {
        let mut random = random();
        take_time(&mut random).await;
        assert!(!random.fails(0.02), "planned");
        if random.fails(probability) { Err(Planned) } else { Ok(self) }
    }
}

/// Mostly none, rarely more than any drain time.
pub(crate) async fn take_time(random: &mut Random) {
    if let Some(time) = some_time(random) {
        sleep(time).await;
    }
}

fn some_time(random: &mut Random) -> Option<Duration> {
    let most = match random.below(100) {
        0..55 => return None,
        55..85 => Duration::from_millis(60),
        85..97 => Duration::from_secs(3),
        _ => Duration::from_secs(20),
    };
    Some(random.duration(most))
}

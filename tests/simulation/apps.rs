//! The apps under simulation, each in a module of its own.

use std::sync::Arc;
use std::time::Duration;

use faststream::{Ack, Metadata, State, Verdict, publisher, subscriber};

use crate::behaviour::{Job, Planned, take_time};
use crate::hooks::Partitions;
use crate::witness;

pub(crate) mod by_partition {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 3, backoff = "100ms..1s"), on_error = DeadLetter)]
    #[publisher(topic = "out")]
    async fn handle(job: Job) -> Result<Job, Planned> {
        job.work().await
    }
}

pub(crate) mod by_half {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1), on_error = DeadLetter)]
    async fn handle(job: Job) -> Result<(), Planned> {
        job.toil().await.map(drop)
    }
}

pub(crate) mod by_key {
    use super::*;

    #[subscriber(
        topic = "in",
        order = Key,
        concurrency = 4,
        commit = Each,
        retry(attempts = 3, backoff = "100ms..1s"),
        on_decode_error = Skip,
    )]
    #[publisher(topic = "out")]
    async fn handle(job: Job) -> Result<Job, Planned> {
        job.work().await
    }
}

pub(crate) mod copies_by_key {
    use super::*;

    #[subscriber(
        topic = "in",
        order = Key,
        concurrency = 4,
        retry(attempts = 2, backoff = "100ms..1s"),
        on_error = DeadLetter,
    )]
    #[publisher(topic = "out")]
    async fn handle(job: Job) -> Result<Job, Planned> {
        job.hurry()
    }
}

pub(crate) mod copies_by_partition {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 2, backoff = "100ms..1s", topics = ["2s"]), on_error = DeadLetter)]
    #[publisher(topic = "out")]
    async fn handle(job: Job) -> Result<Job, Planned> {
        job.hurry()
    }
}

pub(crate) mod unordered {
    use super::*;

    #[subscriber(topic = "in", order = None, concurrency = 8, ack = RejectOnError, dead_letter = "graves", timeout = "2s")]
    async fn handle(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }
}

pub(crate) mod by_hand {
    use super::*;

    #[subscriber(
        topic = "in",
        order = Key,
        concurrency = 4,
        ack = Manual,
        retry(attempts = 4, backoff = "100ms..1s"),
        on_error = DeadLetter,
    )]
    async fn handle(job: Job, ack: Ack) {
        // The task outlives the call, its assignment, and a crash of the app.
        tokio::spawn(later(job, ack));
        take_time(&mut faststream::testing::random()).await;
    }
}

async fn later(job: Job, ack: Ack) {
    let worked = job.work().await;
    let mut random = faststream::testing::random();
    // What it says when it is too late is for the checker.
    let _ = match worked {
        Ok(_) => ack.ack(),
        Err(Planned) if random.chance(0.3) => ack.nack(),
        Err(Planned) if random.chance(0.3) => ack.reject("planned"),
        Err(Planned) if random.chance(0.3) => ack.skip(),
        Err(Planned) => return,
    };
}

pub(crate) mod by_hand_in_order {
    use super::*;

    #[subscriber(topic = "in", ack = Manual, drain = "1s", retry(attempts = 2, backoff = "1s"), on_error = Skip)]
    async fn handle(job: Job, ack: Ack) -> Verdict {
        let mut random = faststream::testing::random();
        match job.work().await {
            Ok(_) if random.chance(0.5) => drop(ack.ack()),
            Ok(job) => drop(tokio::spawn(later(job, ack))),
            Err(Planned) if random.chance(0.5) => return Verdict::nack(),
            Err(Planned) => drop(ack.skip()),
        }
        Verdict::Ack
    }
}

pub(crate) mod first {
    use super::*;

    #[subscriber(topic = "in", order = Key, concurrency = 2, ack = AckFirst)]
    async fn handle(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }
}

pub(crate) mod first_each {
    use super::*;

    #[subscriber(topic = "in", order = Key, concurrency = 4, ack = AckFirst, commit = Each)]
    async fn handle(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }
}

pub(crate) mod two_groups {
    use super::*;

    #[subscriber(topic = "in", group = "one", ack = Ack, commit = Each)]
    #[publisher(topic = "middle")]
    async fn one(job: Job) -> Result<Job, Planned> {
        job.work().await
    }

    #[subscriber(topic = "in", group = "two", order = None, retry(attempts = 2, backoff = "50ms"), on_error = Skip)]
    async fn two(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }

    #[subscriber(
        pattern = "^mid",
        group = "two",
        retry(attempts = 2, backoff = "50ms"),
        dead_letter = "graves"
    )]
    async fn three(job: Job) -> Result<Verdict, Planned> {
        let id = job.work().await?.id;
        Ok(if id % 7 == 0 { Verdict::reject("planned") } else { Verdict::Ack })
    }
}

pub(crate) mod by_stages {
    use super::*;

    #[subscriber(
        topic = "in",
        retry(attempts = 2, backoff = "50ms", topics = ["2s", "10s"]),
        on_error = DeadLetter,
        drain = "2s",
    )]
    #[publisher(topic = "out")]
    async fn handle(job: Job) -> Result<Job, Planned> {
        job.toil().await
    }
}

pub(crate) mod by_stages_and_hand {
    use super::*;

    #[subscriber(
        topic = "in",
        order = None,
        concurrency = 4,
        ack = Manual,
        retry(topics = ["1s", "5s"]),
        on_error = DeadLetter,
    )]
    async fn handle(job: Job, ack: Ack) {
        tokio::spawn(later(job, ack));
        take_time(&mut faststream::testing::random()).await;
    }
}

pub(crate) mod durable {
    use super::*;

    // A held record keeps those behind it waiting for their commits, for as long as it is held: hence the timeout.
    #[subscriber(
        topic = "in",
        order = Key,
        concurrency = 4,
        ack = Manual,
        timeout = "30s",
        retry(attempts = 3, backoff = "100ms..1s"),
        on_error = DeadLetter,
    )]
    async fn handle(job: Job, ack: Ack, metadata: Metadata) -> Result<(), Planned> {
        job.work().await?;
        if ack.ack_durable().await.is_ok() {
            witness::is_committed(metadata.partition, metadata.offset);
        }
        Ok(())
    }
}

pub(crate) mod hooked {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 2, backoff = "100ms"), on_error = DeadLetter)]
    async fn handle(
        job: Job,
        metadata: Metadata,
        State(partitions): State<Arc<Partitions>>,
    ) -> Result<(), Planned> {
        let _call = partitions.call(metadata.partition);
        job.toil().await.map(drop)
    }
}

/// Plain functions, whose threads nobody can stop: they outlive timeouts, assignments and the app.
pub(crate) mod plain {
    use super::*;

    #[subscriber(
        topic = "in",
        order = Key,
        concurrency = 4,
        timeout = "2s",
        drain = "1s",
        retry(attempts = 3, backoff = "100ms..1s"),
        on_error = DeadLetter,
    )]
    #[publisher(topic = "out")]
    fn handle(job: Job) -> Result<Job, Planned> {
        job.block()
    }
}

/// The same, settled by hand and gone on in a retry topic.
pub(crate) mod plain_stages {
    use super::*;

    #[subscriber(
        topic = "in",
        order = None,
        concurrency = 3,
        ack = Manual,
        timeout = "1s",
        drain = "500ms",
        retry(topics = ["2s"]),
        on_error = DeadLetter,
    )]
    fn handle(job: Job, ack: Ack) -> Result<(), Planned> {
        let mut random = faststream::testing::random();
        if random.chance(0.3) {
            // What it says when it is too late is for the checker.
            let _ = ack.ack();
            return job.block().map(drop);
        }
        job.block()?;
        let _ = ack.ack();
        Ok(())
    }
}

/// Settled by hand in every way and at every time, beside results: before the call ends, after it, hours later, never.
pub(crate) mod by_hand_with_results {
    use super::*;

    #[subscriber(
        topic = "in",
        order = Key,
        concurrency = 4,
        ack = Manual,
        timeout = "30s",
        retry(attempts = 3, backoff = "100ms..1s"),
        on_error = DeadLetter,
    )]
    #[publisher(topic = "out")]
    async fn handle(job: Job, ack: Ack) -> Result<Job, Planned> {
        let mut random = faststream::testing::random();
        // What it says when it is too late is for the checker.
        let _ = match random.below(8) {
            0 if random.fails(0.5) => ack.nack(),
            0 if random.fails(0.5) => ack.reject("planned"),
            0 => ack.skip(),
            1 => ack.ack(),
            2 => ack.ack_durable().await,
            // In some runs only: hours take their time.
            3 | 4 if faststream::testing::random_of_run().chance(0.1) && random.fails(0.2) => {
                tokio::spawn(async move {
                    tokio::time::sleep(random.duration(Duration::from_secs(3 * 3600))).await;
                    ack.ack()
                });
                Ok(())
            }
            5 if random.fails(0.3) => {
                drop(ack);
                Ok(())
            }
            _ => {
                tokio::spawn(later(job.clone(), ack));
                Ok(())
            }
        };
        job.work().await
    }
}

/// Handlers that stop the whole app.
pub(crate) mod stops {
    use super::*;

    #[subscriber(
        topic = "in",
        order = Key,
        concurrency = 4,
        retry(attempts = 2, backoff = "100ms"),
        on_error = Stop,
        on_decode_error = Skip,
    )]
    #[publisher(topic = "out")]
    async fn handle(job: Job) -> Result<Job, Planned> {
        job.work().await
    }

    #[subscriber(topic = "in", group = "other", ack = Manual, on_decode_error = Skip)]
    async fn other(job: Job, ack: Ack) -> Verdict {
        match job.work().await {
            Ok(_) => drop(ack.ack()),
            Err(Planned) => return Verdict::Stop,
        }
        Verdict::Ack
    }
}

/// Many handlers in several groups, with all orders, some of which read what others write.
pub(crate) mod many {
    use super::*;

    #[subscriber(topic = "in", group = "one", retry(attempts = 2, backoff = "50ms"), on_error = DeadLetter)]
    #[publisher(topic = "out")]
    async fn first(job: Job) -> Result<Job, Planned> {
        job.work().await
    }

    #[subscriber(topic = "out", group = "one", order = Key, concurrency = 3, on_error = Skip)]
    async fn second(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }

    #[subscriber(topic = "in", group = "two", order = None, ack = RejectOnError, dead_letter = "graves")]
    #[publisher(topic = "more")]
    async fn third(job: Job) -> Result<Job, Planned> {
        job.work().await
    }

    #[subscriber(topics = ["out", "more"], group = "two", ack = Ack)]
    async fn fourth(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }

    #[subscriber(topic = "in", group = "three", order = Key, concurrency = 4, drain = "1s", on_error = Skip)]
    fn fifth(job: Job) -> Result<(), Planned> {
        job.block().map(drop)
    }

    #[subscriber(topic = "more", group = "three", ack = Manual, order = None, concurrency = 4, on_error = Skip)]
    async fn sixth(job: Job, ack: Ack) {
        tokio::spawn(later(job, ack));
    }

    #[subscriber(topic = "graves", group = "four", ack = AckFirst)]
    async fn seventh(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }
}

/// Handlers that operators pause, resume and move: two groups, retry topics, results and dead letters.
pub(crate) mod operated {
    use super::*;

    #[subscriber(
        topic = "in",
        retry(attempts = 2, backoff = "100ms..1s", topics = ["2s"]),
        on_error = DeadLetter,
        drain = "2s",
    )]
    #[publisher(topic = "out")]
    async fn by_partition(job: Job) -> Result<Job, Planned> {
        job.work().await
    }

    #[subscriber(topic = "out", order = Key, concurrency = 4, commit = Each, on_error = Skip, retry(attempts = 2, backoff = "1s"))]
    async fn by_key(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }

    #[subscriber(topic = "in", group = "other", order = None, concurrency = 4, timeout = "2s", drain = "1s", on_error = Skip)]
    fn plain(job: Job) -> Result<(), Planned> {
        job.block().map(drop)
    }
}

/// The same with records that are settled by hand, held, or handled once at most.
pub(crate) mod operated_by_hand {
    use super::*;

    #[subscriber(topic = "in", order = Key, concurrency = 4, ack = Manual, drain = "1s", retry(attempts = 2, backoff = "1s"))]
    async fn held(job: Job, ack: Ack) {
        tokio::spawn(later(job, ack));
        take_time(&mut faststream::testing::random()).await;
    }

    #[subscriber(topic = "in", group = "once", order = Key, concurrency = 2, ack = AckFirst, commit = Each)]
    async fn at_most_once(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }

    #[subscriber(topic = "in", group = "ended", ack = Ack, drain = "1s")]
    async fn when_ended(job: Job) -> Result<(), Planned> {
        job.work().await.map(drop)
    }
}

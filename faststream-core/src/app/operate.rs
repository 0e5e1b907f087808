//! Controls a running app: pauses handlers, resumes them, and moves them to another position.

use std::sync::Arc;

use super::membership::Membership;
use super::running::Running;
use crate::TopicPartition;
use crate::broker::{BrokerError, SeekTo};
use crate::runtime::{PauseTarget, Refused, Request};

/// A pause, resume or seek had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The app has no such handler or group.
    #[error("this app has no handler or group `{name}`: it has {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The handlers and groups of the app.
        known: String,
    },
    /// This instance of the app does not read the partition for this handler or group now.
    #[error("{tp} is not assigned to `{name}` in this process now: ask the instance that reads it")]
    NotAssigned {
        /// The handler or group.
        name: String,
        /// The partition.
        tp: TopicPartition,
    },
    /// The partition was given back to the group before the seek.
    #[error("{tp} was given back before the seek of `{name}`: ask the instance that reads it now")]
    Moved {
        /// The handler or group.
        name: String,
        /// The partition.
        tp: TopicPartition,
    },
    /// Another seek of the same partition was requested before this one began.
    #[error("a later seek of {tp} replaced this one")]
    Superseded {
        /// The partition.
        tp: TopicPartition,
    },
    /// The broker does not know the position, or did not answer.
    #[error("no position to seek to")]
    Position(#[source] BrokerError),
    /// The app is shutting down, or has ended.
    #[error("the app is shutting down")]
    Ended,
}

/// A membership, and the handler in it, if a handler is named and not a group.
type Named<'a> = (&'a Membership, Option<Arc<str>>);

impl Running {
    /// Pauses a handler, or all handlers of a group (if no handler has that name): no call begins until
    /// [`resume`](Self::resume). Returns once that is so; running calls go on, and their results are published and
    /// committed.
    ///
    /// The pause stands until the same name is resumed, whatever happens to the assignment: partitions that come back
    /// after a rebalance, or are assigned for the first time, are paused, too. The app stays in its groups, so no
    /// partition moves, and it stays ready. [`health`](Self::health) names what is paused. A pause ends with the process.
    ///
    /// # Errors
    /// If the app has no handler or group of that name, or has ended.
    ///
    /// ```
    /// use faststream::{FastStream, LaunchOptions, StartOptions, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let plan = app.plan(LaunchOptions::default()).expect("the app is right");
    /// let running = plan.start(StartOptions::default()).await?;
    /// running.pause("bill").await.expect("there is such a handler");
    /// assert!(running.health().reasons[0].contains("bill is paused"));
    /// running.resume("bill").await.expect("there is such a handler");
    /// let error = running.pause("bil").await.expect_err("a typing error");
    /// assert_eq!(error.to_string(), "this app has no handler or group `bil`: it has bill, group billing");
    /// # Ok::<(), faststream::StartError>(())
    /// # }).unwrap();
    /// ```
    pub async fn pause(&self, name: &str) -> Result<(), ControlError> {
        self.control(name, None, Request::Pause).await
    }

    /// Pauses one partition of a handler or group, as [`pause`](Self::pause) does for all.
    ///
    /// # Errors
    /// If the app has no handler or group of that name, if the partition is not assigned to it now, or if the app has
    /// ended.
    ///
    /// ```
    /// use faststream::{FastStream, LaunchOptions, StartOptions, TopicPartition, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let plan = app.plan(LaunchOptions::default()).expect("the app is right");
    /// let running = plan.start(StartOptions::default()).await?;
    /// # while running.partitions() == 0 { tokio::task::yield_now().await }
    /// let (ours, other) = (TopicPartition::new("orders", 0), TopicPartition::new("orders", 7));
    /// running.pause_partition("bill", ours.clone()).await.expect("it is assigned");
    /// running.resume_partition("bill", ours).await.expect("there is such a handler");
    /// let error = running.pause_partition("bill", other).await.expect_err("there is none");
    /// assert!(error.to_string().starts_with("orders/7 is not assigned to `bill`"), "{error}");
    /// # Ok::<(), faststream::StartError>(())
    /// # }).unwrap();
    /// ```
    pub async fn pause_partition(&self, name: &str, tp: TopicPartition) -> Result<(), ControlError> {
        self.control(name, Some(tp), Request::Pause).await
    }

    /// Ends the pause that [`pause`](Self::pause) began with the same name. Nothing happens if there is none. Pauses of
    /// single partitions stay, and so does the pause of a group if a handler is resumed, and the reverse.
    ///
    /// # Errors
    /// If the app has no handler or group of that name, or has ended.
    ///
    /// ```
    /// # async fn operate(running: &faststream::Running) -> Result<(), faststream::ControlError> {
    /// running.pause("billing").await?; // the group
    /// running.pause("bill").await?; // one of its handlers
    /// running.resume("billing").await?; // the handler is still paused
    /// # Ok(()) }
    /// ```
    pub async fn resume(&self, name: &str) -> Result<(), ControlError> {
        self.control(name, None, Request::Resume).await
    }

    /// Ends the pause that [`pause_partition`](Self::pause_partition) began with the same name and partition, whether or
    /// not it is still assigned.
    ///
    /// # Errors
    /// If the app has no handler or group of that name, or has ended.
    ///
    /// ```
    /// # async fn operate(running: &faststream::Running) -> Result<(), faststream::ControlError> {
    /// let orders = faststream::TopicPartition::new("orders", 3);
    /// running.pause_partition("bill", orders.clone()).await?;
    /// running.resume_partition("bill", orders).await?;
    /// # Ok(()) }
    /// ```
    pub async fn resume_partition(&self, name: &str, tp: TopicPartition) -> Result<(), ControlError> {
        self.control(name, Some(tp), Request::Resume).await
    }

    /// Moves a partition of a handler or group to another position: backwards to repeat records, forwards to skip them.
    /// Returns the next offset once nothing of the former position runs any more.
    ///
    /// Running calls end first, as at a rebalance, within the drain time. What they finished is committed. Then the
    /// partition is read from the new position on:
    ///
    /// - *forwards*: the new position is committed at once, because what it skips is given up.
    /// - *backwards*: the committed offset stays until the first record is finished again, and is then set back to that.
    ///   If the partition moves to another instance, or the process ends, before that, the group goes on where it was.
    ///
    /// Only this partition of this group is touched, and no rebalance is needed. A paused partition stays paused. Hooks
    /// of `on_assigned` run for the partition again.
    ///
    /// # Errors
    /// If the app has no handler or group of that name, if the partition is not assigned to it now or moves meanwhile,
    /// if the position does not exist, if the broker does not answer, or if the app has ended.
    ///
    /// ```
    /// use faststream::{FastStream, LaunchOptions, SeekTo, StartOptions, TopicPartition};
    /// use faststream::{memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let plan = app.plan(LaunchOptions::default()).expect("the app is right");
    /// let running = plan.start(StartOptions::default()).await?;
    /// # while running.partitions() == 0 { tokio::task::yield_now().await }
    /// let orders = TopicPartition::new("orders", 0);
    /// assert_eq!(running.seek("bill", orders.clone(), SeekTo::Beginning).await, Ok(0));
    /// let error = running.seek("bill", orders, SeekTo::Offset(5)).await.expect_err("it is empty");
    /// assert_eq!(error.to_string(), "no position to seek to");
    /// # Ok::<(), faststream::StartError>(())
    /// # }).unwrap();
    /// ```
    pub async fn seek(&self, name: &str, tp: TopicPartition, to: SeekTo) -> Result<i64, ControlError> {
        for (membership, handler) in self.named(name)? {
            if !membership.plan.request.reads(&tp.topic) {
                continue;
            }
            let next = membership.find_offset(&tp, to).await.map_err(ControlError::Position)?;
            let request = Request::Seek { handler, tp: tp.clone(), next };
            match membership.request(request).await {
                // Another broker may have a group of that name.
                Err(Refused::NotAssigned) => {}
                Err(refused) => return Err(error(refused, name, &tp)),
                Ok(()) => return Ok(next),
            }
        }
        Err(error(Refused::NotAssigned, name, &tp))
    }

    async fn control(
        &self,
        name: &str,
        tp: Option<TopicPartition>,
        request: impl Fn(PauseTarget) -> Request,
    ) -> Result<(), ControlError> {
        let mut refused = None;
        let mut any = false;
        for (membership, handler) in self.named(name)? {
            let target = PauseTarget { handler, tp: tp.clone() };
            match membership.request(request(target)).await {
                Ok(()) => any = true,
                Err(why) => refused = Some(why),
            }
        }
        match (refused, &tp) {
            (None, _) => Ok(()),
            // One of its partitions is enough.
            (Some(Refused::NotAssigned), Some(_)) if any => Ok(()),
            (Some(why), Some(tp)) => Err(error(why, name, tp)),
            (Some(_), None) => Err(ControlError::Ended),
        }
    }

    /// Returns the memberships of a handler, or else of a group: each with the handler, if it is one. None while the app
    /// is shutting down.
    fn named(&self, name: &str) -> Result<Vec<Named<'_>>, ControlError> {
        if self.is_ending() {
            return Err(ControlError::Ended);
        }
        let with_handler = |membership: &&Membership| {
            membership.plan.subscribers.iter().any(|subscriber| *subscriber.handler.name == *name)
        };
        let of_handler: Vec<_> = self.memberships().iter().filter(with_handler).collect();
        if !of_handler.is_empty() {
            return Ok(of_handler.into_iter().map(|membership| (membership, Some(name.into()))).collect());
        }
        let is_of_group = |membership: &&Membership| *membership.plan.request.group == *name;
        let of_group: Vec<_> = self.memberships().iter().filter(is_of_group).collect();
        if of_group.is_empty() {
            return Err(ControlError::Unknown { name: name.to_owned(), known: self.known() });
        }
        Ok(of_group.into_iter().map(|membership| (membership, None)).collect())
    }

    fn known(&self) -> String {
        let mut known: Vec<String> = Vec::new();
        for membership in self.memberships() {
            let handlers =
                membership.plan.subscribers.iter().map(|subscriber| subscriber.handler.name.to_string());
            known.extend(handlers);
        }
        let groups = self.memberships().iter().map(|one| format!("group {}", one.plan.request.group));
        known.extend(groups);
        known.dedup();
        known.join(", ")
    }
}

fn error(refused: Refused, name: &str, tp: &TopicPartition) -> ControlError {
    let (name, tp) = (name.to_owned(), tp.clone());
    match refused {
        Refused::NotAssigned => ControlError::NotAssigned { name, tp },
        Refused::Moved => ControlError::Moved { name, tp },
        Refused::Superseded => ControlError::Superseded { tp },
        Refused::Ended => ControlError::Ended,
    }
}

//! The dead-letter guard, from outside: how many dead letters in a row it let through.

use super::account::LaneAccount;
use super::record::Copied;
use crate::policy::{AckPolicy, Order};

impl LaneAccount {
    /// The next record of the prefix is finished, by such a copy or otherwise. One that goes on in a retry topic counts
    /// neither way.
    pub(super) fn count_dead(&mut self, ended_in: Option<Copied>) {
        let (now, most) = self.dead_in_a_row;
        let now = match ended_in {
            Some(Copied::Letter) => now + 1,
            Some(Copied::Stage) => now,
            None => 0,
        };
        self.dead_in_a_row = (now, most.max(now));
    }

    /// What is wrong with it. Only where records are decided about in their order does one see it from outside.
    pub(super) fn check_guard(&self) -> Option<String> {
        let subscriber = &self.subscriber;
        let limit = self.settings.dead_letter_guard?.in_a_row();
        let in_order = subscriber.order == Order::Partition && subscriber.ack != AckPolicy::Manual;
        let most = self.dead_in_a_row.1;
        let wrong = in_order && subscriber.publishes.is_empty() && most > limit;
        wrong.then(|| {
            format!(
                "{}, handler {}: {most} dead letters in a row, of {limit}",
                self.name(),
                subscriber.handler
            )
        })
    }
}

//! The commands of the member. Each changes a state, which a later point of the control thread's turn checks.

use faststream_core::broker::Command;

use super::control::Control;

impl Control {
    /// Applies commands, in order.
    pub(super) fn apply(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Answer(id) => self.rebalances.mark_answered(id),
                Command::CommitNow => self.committer.want(),
                Command::Reopen(lane) => self.partitions.reopen(lane),
                Command::Pause(lane) => self.partitions.set_paused(lane, true),
                Command::Resume(lane) => self.partitions.set_paused(lane, false),
                Command::Seek { lane, next } => self.partitions.seek(lane, next),
                Command::Subscribe { topic, start } => self.subscription.add(&self.client, &topic, start),
                Command::Unsubscribe { topic } => self.subscription.remove(&self.client, &topic),
                Command::Close => self.close(),
            }
        }
    }
}

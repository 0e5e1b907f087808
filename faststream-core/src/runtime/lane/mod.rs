//! One lane's task: takes records, starts handlers, stores the finished prefix.
//!
//! A hand-written `poll` instead of `select!`: its order is the order of the lines below, a wake-up costs one pass, and
//! a handler that never waits never touches a set, a map or a channel.

mod ack_policy;
mod apply;
mod brake;
mod calls;
mod copies;
mod dead_letter;
mod entry;
mod guard;
mod hold;
mod in_flight;
mod inbox;
mod intake;
mod keys;
mod manual_ack;
mod output;
mod ready;
mod report;
mod retry_topic;
mod scope;
mod start;
mod store;
mod task;
mod timers;
mod turns;
mod unconfirmed;

#[cfg(test)]
mod tests;

pub(super) use scope::Scope;
pub(super) use task::LaneTask;

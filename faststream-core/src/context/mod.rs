//! What the parts of a running app share: states, the request to stop, observers, the control of each lane, the threads
//! of plain functions, and the one guard around the user's code.

mod ack_inbox;
mod apart;
mod app_context;
mod handler_info;
mod idle;
mod lane_control;
mod observer;
mod offset_cell;
mod panics;
mod plain_call;
mod plain_calls;
mod skip;
mod states;
mod stop_request;
mod tally;
mod threads;
mod unfinished;
mod work;

pub(crate) use ack_inbox::Settled;
pub(crate) use apart::apart;
pub use app_context::Context;
pub use handler_info::HandlerInfo;
pub use idle::{BusyGuard, IdleTracker};
pub use lane_control::LaneControl;
pub use observer::{CallBegin, CallReport, ManuallySettled, Observer, Observers};
pub(crate) use panics::{Panicked, catch, catch_in, drop_safely};
pub use plain_call::PlainCall;
pub use plain_calls::PlainCalls;
pub use skip::Skip;
pub use states::States;
pub use stop_request::StopRequest;
pub use tally::Tally;
pub use threads::{RunPlain, Threads};
pub(crate) use unfinished::{Unfinished, WhyUnfinished};

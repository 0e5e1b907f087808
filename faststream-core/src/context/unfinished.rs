//! The unfinished work of a cancelled lane.

/// The unfinished work of a cancelled lane: a record, and how many others there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) offset: i64,
    pub(crate) why: WhyUnfinished,
    pub(crate) others: usize,
}

/// What an unfinished record still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhyUnfinished {
    Call,
    Ack,
    /// The broker's confirmation of these.
    Results,
    Retry,
    DeadLetter,
}

impl Unfinished {
    /// Returns a message about the unfinished work of `handler`.
    pub(crate) fn message(self, handler: &str) -> String {
        let what = match self.why {
            WhyUnfinished::Call => format!("{handler} was still running"),
            WhyUnfinished::Ack => format!("the `Ack` of {handler} was not settled"),
            WhyUnfinished::Results => format!("the results of {handler} were not confirmed by the broker"),
            WhyUnfinished::Retry => {
                format!("the copy of {handler} for its retry topic was not confirmed by the broker")
            }
            WhyUnfinished::DeadLetter => {
                format!("the dead letter of {handler} was not confirmed by the broker")
            }
        };
        if self.others > 0 { format!("{what} (and {} more records)", self.others) } else { what }
    }
}

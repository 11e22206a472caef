//! `State`: where a task stands.

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum State {
    /// An argument is not there yet, or the pause before another attempt is not over.
    Waiting,
    /// In a queue, for a thread or for resources.
    Queued,
    Running,
    /// It ran, or never will.
    Done,
}

impl State {
    pub(super) fn of(byte: u8) -> State {
        match byte {
            0 => State::Waiting,
            1 => State::Queued,
            2 => State::Running,
            _ => State::Done,
        }
    }
}

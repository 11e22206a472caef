//! `Order`: what is done to an actor beside its methods.

/// What is done to an actor beside its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ready,
    Ended,
    Kill,
    KillAndRestart,
    Stop,
    Checkpoint,
}

impl Order {
    pub(super) const ALL: [Order; 6] = [
        Order::Ready,
        Order::Ended,
        Order::Kill,
        Order::KillAndRestart,
        Order::Stop,
        Order::Checkpoint,
    ];
}

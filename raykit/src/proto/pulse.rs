//! `Pulse`: when the head has last heard of a node.

use crate::base::moment::Moment;

#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) heard: Moment,
    /// If nothing is heard of it until then, it is dead.
    pub(super) doubted: Option<Moment>,
    /// Others were asked for it.
    pub(super) sought: bool,
}

impl Pulse {
    /// Of a node that has not said a word yet.
    pub(super) fn expected(heard: Moment) -> Pulse {
        Pulse { heard, doubted: None, sought: true }
    }

    /// It has said something.
    pub(super) fn beats(&mut self, now: Moment) {
        *self = Pulse { heard: now, doubted: None, sought: false };
    }
}

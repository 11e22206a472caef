//! `Pulse`: when the head has last heard of a node.

use crate::base::NodeId;
use crate::base::limits::DOUBT_MS;
use crate::base::moment::Moment;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) heard: Moment,
    /// If nothing is heard of it until then, it is dead.
    pub(super) doubted: Option<Moment>,
    /// Others were asked for it, and these have not answered.
    pub(super) sought: bool,
    pub(super) asked: Vec<NodeId>,
}

impl Pulse {
    /// Of a node that has not said a word yet.
    pub(super) fn expected(heard: Moment) -> Pulse {
        Pulse { heard, doubted: None, sought: true, asked: Vec::new() }
    }

    /// It has said something. In doubt that is no proof, only a reason to wait: what a process had
    /// sent before its death may come after the news of it.
    pub(super) fn beats(&mut self, now: Moment) {
        self.has_longer(now);
        let doubted = self.doubted;
        *self = Pulse { heard: now, doubted, sought: false, asked: Vec::new() };
    }

    /// If it is in doubt, it has as long as any from now on to say that it is there.
    pub(super) fn has_longer(&mut self, now: Moment) {
        self.doubted = self.doubted.map(|_| now + Duration::from_millis(DOUBT_MS));
    }

    /// Another node says that it is there. One that nobody has asked may say so for ever.
    pub(super) fn is_heard(&mut self, by: NodeId, now: Moment) {
        if self.asked.contains(&by) {
            self.asked.retain(|asked| *asked != by);
            (self.heard, self.doubted) = (now, None);
        }
    }

    /// It is there.
    pub(super) fn is_sure(&mut self) {
        self.doubted = None;
    }
}

//! Supervision: which actors start again when one of them has failed, and when that was too often.
//! The words and the rules are those of supervisors in Erlang/OTP. Who calls this, and the actors
//! themselves, are seen through two traits, so that nothing is known here of either.

use super::restart::Restarts;
use crate::base::ActorId;
use crate::object::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Which actors of a supervisor start again when one of them has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// The one that failed.
    #[default]
    OneForOne,
    /// All of them.
    OneForAll,
    /// The one that failed, and those that were made after it.
    RestForOne,
}

/// What a supervisor does about a failure.
#[crate::object]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Actors start again, as its [`Restart`] says, unless that was too often.
    Restart,
    /// The actor that failed has ended for good; the others go on.
    Stop,
    /// The supervisor gives up: its actors end, or its own supervisor decides about all of them.
    Escalate,
}

/// Whoever is told of an actor's failures.
pub(crate) trait Supervise: Send + Sync {
    /// An actor was made.
    fn joined(&self, child: Arc<dyn Child>);

    /// It has ended for good and not by a failure, or could not be made.
    fn left(&self, child: ActorId);

    /// It has failed, and is down until it is told what to do. Called on a thread that may block.
    fn failed(&self, child: ActorId, error: &Error);
}

/// What a supervisor sees of an actor, or of another supervisor.
pub(crate) trait Child: Send + Sync {
    fn id(&self) -> ActorId;

    fn label(&self) -> String;

    /// Whether it has failed, and nobody has decided yet.
    fn is_down(&self) -> bool;

    /// How often it has started again.
    fn restarts(&self) -> u64;

    /// Ends its present life, as a crash would.
    fn take_down(&self, why: &Error);

    /// Starts it again after this pause, if it is down.
    fn bring_up(&self, pause: Duration);

    /// It ends for good.
    fn give_up(&self, why: &str);
}

/// An actor's supervisor, among the actor's options.
#[derive(Clone)]
#[doc(hidden)]
pub struct Supervised(pub(crate) Arc<dyn Supervise>);

impl fmt::Debug for Supervised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Supervised")
    }
}

/// The children of one supervisor, in the order in which they came, and how often they failed.
pub(crate) struct Family<C> {
    pub(crate) restart: Restart,
    children: Vec<(ActorId, C)>,
    restarts: Restarts,
}

impl<C: Clone> Family<C> {
    /// Of children that may fail so often within so long.
    pub(crate) fn new(restart: Restart, max: u32, within: Duration) -> Family<C> {
        Family { restart, children: Vec::new(), restarts: Restarts::new(max, Some(within)) }
    }

    pub(crate) fn limit(&mut self, max: u32, within: Duration) {
        self.restarts = Restarts::new(max, Some(within));
    }

    pub(crate) fn join(&mut self, id: ActorId, child: C) {
        self.children.push((id, child));
    }

    pub(crate) fn leave(&mut self, id: ActorId) -> Option<C> {
        let at = self.children.iter().position(|(other, _)| *other == id)?;
        Some(self.children.remove(at).1)
    }

    pub(crate) fn child(&self, id: ActorId) -> Option<C> {
        self.children.iter().find(|(other, _)| *other == id).map(|(_, child)| child.clone())
    }

    /// All of them, the first to come first.
    pub(crate) fn all(&self) -> Vec<C> {
        self.children.iter().map(|(_, child)| child.clone()).collect()
    }

    /// A child has failed: which start again, in the order in which they came, and after which
    /// pause; `None` if they have failed too often, or it is no child any more.
    pub(crate) fn failed(&mut self, id: ActorId, now: Duration) -> Option<(Vec<C>, Duration)> {
        let at = self.children.iter().position(|(other, _)| *other == id)?;
        let pause = self.restarts.crashed(now)?;
        let affected = match self.restart {
            Restart::OneForOne => &self.children[at..=at],
            Restart::OneForAll => &self.children[..],
            Restart::RestForOne => &self.children[at..],
        };
        Some((affected.iter().map(|(_, child)| child.clone()).collect(), pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::NodeId;

    fn id(sequence: u64) -> ActorId {
        ActorId { node: NodeId(1), sequence }
    }

    #[test]
    fn who_starts_again_with_whom() {
        let cases: [(Restart, u64, &[u64]); 5] = [
            (Restart::OneForOne, 2, &[2]),
            (Restart::OneForAll, 2, &[1, 2, 3]),
            (Restart::RestForOne, 2, &[2, 3]),
            (Restart::RestForOne, 1, &[1, 2, 3]),
            (Restart::RestForOne, 3, &[3]),
        ];
        for (restart, failed, expected) in cases {
            let mut family = Family::new(restart, 1, Duration::from_secs(5));
            (1..=3).for_each(|n| family.join(id(n), n));
            let affected = family.failed(id(failed), Duration::ZERO).map(|(who, _)| who);
            assert_eq!(affected.as_deref(), Some(expected), "{restart:?} of {failed}");
            assert!(family.failed(id(failed), Duration::ZERO).is_none(), "that was too often");
            let later = family.failed(id(failed), Duration::from_secs(6));
            assert!(later.is_some(), "after that time it may again");
        }
    }

    #[test]
    fn who_has_left_does_not_come_back() {
        let mut family = Family::new(Restart::OneForAll, 9, Duration::from_secs(5));
        (1..=3).for_each(|n| family.join(id(n), n));
        assert_eq!(family.leave(id(2)), Some(2));
        assert_eq!(family.leave(id(2)), None);
        assert!(family.failed(id(2), Duration::ZERO).is_none());
        assert_eq!(family.failed(id(1), Duration::ZERO).map(|(who, _)| who), Some(vec![1, 3]));
        assert_eq!(family.all(), [1, 3]);
        assert_eq!(family.child(id(3)), Some(3));
    }
}

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
    members: Vec<Member<C>>,
    restarts: Restarts,
}

struct Member<C> {
    id: ActorId,
    child: C,
    /// How often it was to start again, by its own failure or another's.
    starts: u64,
}

/// What follows from a failure.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict<C> {
    /// These start again, in the order in which they came, after this pause.
    Restart(Vec<C>, Duration),
    /// That was once too often.
    TooOften,
    /// Another one's failure has seen to it, or it is no child any more.
    Settled,
}

impl<C: Clone> Family<C> {
    /// Of children that may fail so often within so long.
    pub(crate) fn new(restart: Restart, max: u32, within: Duration) -> Family<C> {
        Family { restart, members: Vec::new(), restarts: Restarts::new(max, Some(within)) }
    }

    pub(crate) fn limit(&mut self, max: u32, within: Duration) {
        self.restarts = Restarts::new(max, Some(within));
    }

    pub(crate) fn join(&mut self, id: ActorId, child: C) {
        self.members.push(Member { id, child, starts: 0 });
    }

    pub(crate) fn leave(&mut self, id: ActorId) -> Option<C> {
        let at = self.at(id)?;
        Some(self.members.remove(at).child)
    }

    fn at(&self, id: ActorId) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    /// A child, and a number that changes when it is to start again.
    pub(crate) fn child(&self, id: ActorId) -> Option<(C, u64)> {
        let member = &self.members[self.at(id)?];
        Some((member.child.clone(), member.starts))
    }

    /// All of them, the first to come first.
    pub(crate) fn all(&self) -> Vec<C> {
        self.members.iter().map(|member| member.child.clone()).collect()
    }

    /// Whether the failure that was seen with this number still has to be decided about.
    pub(crate) fn is_open(&self, id: ActorId, seen: u64) -> bool {
        self.at(id).is_some_and(|at| self.members[at].starts == seen)
    }

    /// A child has failed, which was seen with this number.
    pub(crate) fn failed(&mut self, id: ActorId, seen: u64, now: Duration) -> Verdict<C> {
        let Some(at) = self.at(id).filter(|_| self.is_open(id, seen)) else {
            return Verdict::Settled;
        };
        let Some(pause) = self.restarts.crashed(now) else { return Verdict::TooOften };
        let affected = match self.restart {
            Restart::OneForOne => &mut self.members[at..=at],
            Restart::OneForAll => &mut self.members[..],
            Restart::RestForOne => &mut self.members[at..],
        };
        affected.iter_mut().for_each(|member| member.starts += 1);
        let again = affected.iter().map(|member| member.child.clone()).collect();
        Verdict::Restart(again, pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::NodeId;

    fn id(sequence: u64) -> ActorId {
        ActorId { node: NodeId(1), sequence }
    }

    fn again(family: &mut Family<u64>, failed: u64, now: Duration) -> Verdict<u64> {
        let seen = family.child(id(failed)).map_or(0, |(_, seen)| seen);
        family.failed(id(failed), seen, now)
    }

    fn who(verdict: Verdict<u64>) -> Option<Vec<u64>> {
        match verdict {
            Verdict::Restart(who, _) => Some(who),
            Verdict::TooOften | Verdict::Settled => None,
        }
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
            let affected = who(again(&mut family, failed, Duration::ZERO));
            assert_eq!(affected.as_deref(), Some(expected), "{restart:?} of {failed}");
            assert_eq!(again(&mut family, failed, Duration::ZERO), Verdict::TooOften);
            let later = again(&mut family, failed, Duration::from_secs(6));
            assert!(who(later).is_some(), "after that time it may again");
        }
    }

    #[test]
    fn two_failures_at_once_are_one_restart() {
        for (restart, settled) in [(Restart::OneForAll, true), (Restart::OneForOne, false)] {
            let mut family = Family::new(restart, 9, Duration::from_secs(5));
            (1..=2).for_each(|n| family.join(id(n), n));
            let seen = [1, 2].map(|n| family.child(id(n)).map_or(9, |(_, seen)| seen));
            assert!(who(family.failed(id(1), seen[0], Duration::ZERO)).is_some());
            assert_eq!(family.is_open(id(2), seen[1]), !settled);
            let second = family.failed(id(2), seen[1], Duration::ZERO);
            assert_eq!(second == Verdict::Settled, settled, "{restart:?}");
        }
    }

    #[test]
    fn who_has_left_does_not_come_back() {
        let mut family = Family::new(Restart::OneForAll, 9, Duration::from_secs(5));
        (1..=3).for_each(|n| family.join(id(n), n));
        assert_eq!(family.leave(id(2)), Some(2));
        assert_eq!(family.leave(id(2)), None);
        assert_eq!(again(&mut family, 2, Duration::ZERO), Verdict::Settled);
        assert_eq!(who(again(&mut family, 1, Duration::ZERO)), Some(vec![1, 3]));
        assert_eq!(family.all(), [1, 3]);
        assert_eq!(family.child(id(3)), Some((3, 1)));
    }
}

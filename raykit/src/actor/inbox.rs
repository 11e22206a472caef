//! `Inbox`: in which order an actor's calls start, and which may run at the same time. Pure: no
//! lock, no clock, no thread; `M` is a call, about which nothing is known here.
//!
//! 1. Calls of one caller start in the order in which they were made. One whose arguments are not
//!    there holds back those that its caller makes after it, and nobody else's.
//! 2. Shared calls (`&self`) may run side by side, up to the limit of their group; an exclusive one
//!    (`&mut self`) runs alone. It waits for those before it, and those behind it wait for it.
//! 3. A group that is full holds back its own calls and exclusive ones, but not those of other
//!    groups: between groups there is no order.

use crate::base::NodeId;
use crate::base::maps::HashMap;
use std::collections::VecDeque;

/// Who makes a call: what the order of calls is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// A thread outside the node.
    Thread(u64),
    /// One attempt of a task that belongs to no actor.
    Task(u64, u32),
    /// An actor, whichever of its methods.
    Actor(u64),
    /// One of another node, by a number of that node.
    Far(NodeId, u64),
}

/// How a call needs the actor's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Shared,
    Exclusive,
}

/// Which other calls may run beside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) need: Need,
    /// Which group's limit it counts for; 0 where no group was named.
    pub(crate) group: u32,
}

/// What an inbox keeps of a call.
#[derive(Debug, PartialEq)]
pub(crate) struct Mail<M> {
    pub(crate) call: M,
    pub(crate) kind: Kind,
}

/// How far behind full groups a call of another group is looked for.
const LOOK_AHEAD: usize = 64;

/// Calls of one group.
struct Group {
    running: u32,
    max: u32,
}

/// A call of a caller that is held back, by its own arguments or by those of one before it.
struct Held<M> {
    mail: Mail<M>,
    /// The number by which `arrived` will name it, until then.
    awaited: Option<u64>,
}

/// The callers that are held back.
struct Holding<M> {
    of: HashMap<Caller, VecDeque<Held<M>>>,
    /// Whose the calls are that wait for arguments, by number.
    awaited: HashMap<u64, Caller>,
    len: usize,
}

/// The calls of one actor that have not begun, and a count of those that run.
pub(crate) struct Inbox<M> {
    /// What may start, in this order.
    line: VecDeque<Mail<M>>,
    /// Few callers ever have an argument that is not there.
    held: Option<Box<Holding<M>>>,
    readers: u32,
    writer: bool,
    /// Calls of no group, and those of the named ones.
    ungrouped: Group,
    groups: Box<[Group]>,
}

impl<M> Inbox<M> {
    /// An inbox of an actor whose shared calls may be so many at a time, in each group; the first
    /// is for calls that name none.
    pub(crate) fn new(limits: impl IntoIterator<Item = u32>) -> Inbox<M> {
        let mut groups = limits.into_iter().map(|max| Group { running: 0, max: max.max(1) });
        Inbox {
            line: VecDeque::new(),
            held: None,
            readers: 0,
            writer: false,
            ungrouped: groups.next().unwrap_or(Group { running: 0, max: 1 }),
            groups: groups.collect(),
        }
    }

    /// Changes how many calls of a group run; 0 is for those of none.
    fn count(&mut self, group: u32, change: impl FnOnce(&mut u32)) {
        let group = match group {
            0 => Some(&mut self.ungrouped),
            number => self.groups.get_mut(number as usize - 1),
        };
        if let Some(group) = group {
            change(&mut group.running);
        }
    }

    /// Calls that have not begun.
    pub(crate) fn len(&self) -> usize {
        self.line.len() + self.held.as_ref().map_or(0, |held| held.len)
    }

    /// Shows the calls that have not begun, as long as `see` says so.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(&M) -> bool) -> bool {
        let held = self.held.iter().flat_map(|held| held.of.values().flatten());
        self.line.iter().all(|mail| see(&mail.call)) && held.map(|h| &h.mail.call).all(see)
    }

    /// Whether calls run.
    pub(crate) fn is_busy(&self) -> bool {
        self.writer || self.readers > 0
    }

    /// Whether nothing is here and nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.len() == 0 && !self.is_busy()
    }

    /// Whether any caller is held back: only then does it matter who calls.
    pub(crate) fn holds_anyone(&self) -> bool {
        self.held.is_some()
    }

    /// Takes in a call whose arguments are there, of a caller who is not held back.
    pub(crate) fn push(&mut self, mail: Mail<M>) {
        self.line.push_back(mail);
    }

    /// Takes in a call by its caller. `awaited` is a number by which `arrived` will say that its
    /// arguments are there, if they are not.
    pub(crate) fn push_from(&mut self, caller: Caller, mail: Mail<M>, awaited: Option<u64>) {
        let waits = self.held.as_ref().is_some_and(|held| held.of.contains_key(&caller));
        if awaited.is_none() && !waits {
            return self.line.push_back(mail);
        }
        let held = self.held.get_or_insert_with(|| {
            Box::new(Holding { of: HashMap::default(), awaited: HashMap::default(), len: 0 })
        });
        held.of.entry(caller).or_default().push_back(Held { mail, awaited });
        held.awaited.extend(awaited.map(|number| (number, caller)));
        held.len += 1;
    }

    /// The arguments of a held call are there, or it will never run: it and those behind it whose
    /// own arguments are there move on.
    pub(crate) fn arrived(&mut self, number: u64) {
        let Some(held) = &mut self.held else { return };
        let Some(caller) = held.awaited.remove(&number) else { return };
        let Some(of_caller) = held.of.get_mut(&caller) else { return };
        if let Some(one) = of_caller.iter_mut().find(|held| held.awaited == Some(number)) {
            one.awaited = None;
        }
        while of_caller.front().is_some_and(|first| first.awaited.is_none()) {
            if let Some(first) = of_caller.pop_front() {
                self.line.push_back(first.mail);
                held.len -= 1;
            }
        }
        if of_caller.is_empty() {
            held.of.remove(&caller);
        }
        if held.of.is_empty() {
            self.held = None;
        }
    }

    /// Puts calls that were taken out and have not begun before all others, in their order.
    pub(crate) fn put_back(&mut self, mails: Vec<Mail<M>>) {
        mails.into_iter().rev().for_each(|mail| self.line.push_front(mail));
    }

    /// Whether any call could start now.
    pub(crate) fn could_start(&self) -> bool {
        self.next().is_some()
    }

    /// The place of the next call that may start.
    fn next(&self) -> Option<usize> {
        if self.writer {
            return None;
        }
        for (at, mail) in self.line.iter().take(LOOK_AHEAD).enumerate() {
            match mail.kind.need {
                Need::Exclusive if at == 0 && self.readers == 0 => return Some(0),
                Need::Exclusive => return None,
                Need::Shared if self.has_room(mail.kind.group) => return Some(at),
                Need::Shared => {}
            }
        }
        None
    }

    fn has_room(&self, group: u32) -> bool {
        let group = match group {
            0 => Some(&self.ungrouped),
            number => self.groups.get(number as usize - 1),
        };
        group.is_some_and(|group| group.running < group.max)
    }

    /// The next call that may start.
    pub(crate) fn first(&self) -> Option<&Mail<M>> {
        self.line.get(self.next()?)
    }

    /// Takes out the next call that may start, which counts as running until `done`.
    pub(crate) fn start(&mut self) -> Option<Mail<M>> {
        let mail = self.line.remove(self.next()?)?;
        match mail.kind.need {
            Need::Exclusive => self.writer = true,
            Need::Shared => {
                self.readers += 1;
                self.count(mail.kind.group, |running| *running += 1);
            }
        }
        Some(mail)
    }

    /// While an exclusive call runs: the next, to run after it without a pause, if it is exclusive
    /// too.
    pub(crate) fn follow(&mut self, fits: impl FnOnce(&M) -> bool) -> Option<M> {
        let first = self.line.front().filter(|_| self.writer)?;
        if first.kind.need == Need::Shared || !fits(&first.call) {
            return None;
        }
        self.line.pop_front().map(|mail| mail.call)
    }

    /// A call that ran has ended.
    pub(crate) fn done(&mut self, kind: Kind) {
        match kind.need {
            Need::Exclusive => self.writer = false,
            Need::Shared => {
                self.readers -= 1;
                self.count(kind.group, |running| *running -= 1);
            }
        }
    }

    /// Forgets what runs: it belongs to a state that is gone.
    pub(crate) fn forget_running(&mut self) {
        (self.readers, self.writer) = (0, false);
        self.ungrouped.running = 0;
        self.groups.iter_mut().for_each(|group| group.running = 0);
    }

    /// Everything that has not begun, taken out, in no order between callers.
    pub(crate) fn drain(&mut self) -> Vec<M> {
        let line = std::mem::take(&mut self.line).into_iter().map(|mail| mail.call);
        let held = self.held.take().into_iter().flat_map(|held| held.of.into_values().flatten());
        line.chain(held.map(|held| held.mail.call)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Need::{Exclusive, Shared};
    use super::*;
    use proptest::prelude::*;

    fn mail(call: u32, need: Need) -> Mail<u32> {
        Mail { call, kind: Kind { need, group: 0 } }
    }

    fn started(inbox: &mut Inbox<u32>) -> Vec<u32> {
        std::iter::from_fn(|| inbox.start().map(|mail| mail.call)).collect()
    }

    #[test]
    fn shared_calls_run_side_by_side_and_exclusive_ones_alone() {
        let mut inbox = Inbox::new([10]);
        for (call, need) in [(1, Shared), (2, Shared), (3, Exclusive), (4, Shared), (5, Shared)] {
            inbox.push(mail(call, need));
        }
        assert_eq!(started(&mut inbox), [1, 2]);
        inbox.done(Kind { need: Shared, group: 0 });
        assert!(started(&mut inbox).is_empty(), "the exclusive one waits for both");
        inbox.done(Kind { need: Shared, group: 0 });
        assert_eq!(started(&mut inbox), [3]);
        inbox.done(Kind { need: Exclusive, group: 0 });
        assert_eq!(started(&mut inbox), [4, 5]);
    }

    #[test]
    fn no_more_shared_calls_than_the_limit() {
        let mut inbox = Inbox::new([2]);
        (0..4).for_each(|call| inbox.push(mail(call, Shared)));
        assert_eq!(started(&mut inbox), [0, 1]);
        inbox.done(Kind { need: Shared, group: 0 });
        assert_eq!(started(&mut inbox), [2]);
    }

    #[test]
    fn a_full_group_holds_back_its_own_calls_and_exclusive_ones() {
        let mut inbox = Inbox::new([1, 1]);
        let of = |call, need, group| Mail { call, kind: Kind { need, group } };
        inbox.push(of(1, Shared, 0));
        inbox.push(of(2, Shared, 0));
        inbox.push(of(3, Shared, 1));
        inbox.push(of(4, Exclusive, 0));
        inbox.push(of(5, Shared, 1));
        assert_eq!(started(&mut inbox), [1, 3]);
        inbox.done(Kind { need: Shared, group: 1 });
        assert!(started(&mut inbox).is_empty(), "the exclusive one stands before the fifth");
        inbox.done(Kind { need: Shared, group: 0 });
        assert_eq!(started(&mut inbox), [2]);
        inbox.done(Kind { need: Shared, group: 0 });
        assert_eq!(started(&mut inbox), [4]);
        inbox.done(Kind { need: Exclusive, group: 0 });
        assert_eq!(started(&mut inbox), [5]);
    }

    #[test]
    fn a_call_that_waits_for_arguments_holds_back_its_own_caller_alone() {
        let (a, b) = (Caller::Task(1, 0), Caller::Thread(1));
        let mut inbox = Inbox::new([10]);
        inbox.push_from(a, mail(1, Exclusive), None);
        inbox.push_from(a, mail(2, Exclusive), Some(2));
        inbox.push_from(a, mail(3, Exclusive), None);
        inbox.push_from(a, mail(4, Exclusive), Some(4));
        inbox.push_from(b, mail(5, Exclusive), None);
        assert_eq!(inbox.len(), 5);
        let mut order = Vec::new();
        let mut run = |inbox: &mut Inbox<u32>| {
            while let Some(mail) = inbox.start() {
                order.push(mail.call);
                inbox.done(mail.kind);
            }
        };
        run(&mut inbox);
        inbox.arrived(4);
        run(&mut inbox);
        assert!(inbox.holds_anyone());
        inbox.arrived(2);
        run(&mut inbox);
        assert!(!inbox.holds_anyone() && inbox.is_idle());
        assert_eq!(order, [1, 5, 2, 3, 4]);
    }

    #[test]
    fn exclusive_calls_follow_one_another_without_a_pause() {
        let mut inbox = Inbox::new([1]);
        for (call, need) in [(1, Exclusive), (2, Exclusive), (3, Shared)] {
            inbox.push(mail(call, need));
        }
        assert_eq!(inbox.follow(|_| true), None, "nothing runs that it could follow");
        assert_eq!(inbox.start().map(|mail| mail.call), Some(1));
        assert_eq!((inbox.follow(|_| true), inbox.follow(|_| true)), (Some(2), None));
        inbox.done(Kind { need: Exclusive, group: 0 });
        assert_eq!(started(&mut inbox), [3]);
    }

    /// What happens to an inbox, in the property test.
    #[derive(Clone, Debug)]
    enum Step {
        Push(u8, bool, bool),
        Arrive(usize),
        Start,
        Done(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u8..3, any::<bool>(), prop::bool::weighted(0.7))
                .prop_map(|(caller, shared, ready)| Step::Push(caller, shared, ready)),
            any::<usize>().prop_map(Step::Arrive),
            Just(Step::Start),
            any::<usize>().prop_map(Step::Done),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: each caller's calls start in its order, once; an
        /// exclusive one runs alone; none starts before its arguments are there; none is lost.
        #[test]
        fn the_rules_hold_for_any_steps(steps in prop::collection::vec(step(), 0..200)) {
            let mut inbox = Inbox::new([3]);
            let mut need = Vec::new();
            let mut caller_of = Vec::new();
            let mut open: Vec<usize> = Vec::new();
            let mut running: Vec<usize> = Vec::new();
            let mut last = [None::<usize>; 3];
            let mut begun = 0;
            let mut check = |inbox: &mut Inbox<usize>,
                             running: &mut Vec<usize>,
                             open: &[usize],
                             need: &[Need],
                             caller_of: &[u8]| {
                let Some(mail) = inbox.start() else { return false };
                let call = mail.call;
                assert!(!open.contains(&call), "its arguments are there");
                let caller = usize::from(caller_of[call]);
                assert!(last[caller].is_none_or(|last| last < call), "in order, once");
                last[caller] = Some(call);
                assert!(need[call] == Shared || running.is_empty());
                assert!(running.iter().all(|other| need[*other] == Shared));
                running.push(call);
                assert!(running.len() <= 3);
                begun += 1;
                true
            };
            for step in steps {
                match step {
                    Step::Push(caller, shared, ready) => {
                        let call = need.len();
                        need.push(if shared { Shared } else { Exclusive });
                        caller_of.push(caller);
                        if !ready {
                            open.push(call);
                        }
                        let mail = Mail { call, kind: Kind { need: need[call], group: 0 } };
                        let awaited = (!ready).then_some(call as u64);
                        inbox.push_from(Caller::Actor(caller.into()), mail, awaited);
                    }
                    Step::Arrive(at) if !open.is_empty() => {
                        let call = open.swap_remove(at % open.len());
                        inbox.arrived(call as u64);
                    }
                    Step::Start => {
                        check(&mut inbox, &mut running, &open, &need, &caller_of);
                    }
                    Step::Done(at) if !running.is_empty() => {
                        let call = running.swap_remove(at % running.len());
                        inbox.done(Kind { need: need[call], group: 0 });
                    }
                    _ => {}
                }
            }
            for call in std::mem::take(&mut open) {
                inbox.arrived(call as u64);
            }
            while !inbox.is_idle() {
                while check(&mut inbox, &mut running, &open, &need, &caller_of) {}
                let call = running.pop().expect("something runs, or it would be stuck");
                inbox.done(Kind { need: need[call], group: 0 });
            }
            assert_eq!(begun, need.len(), "none is lost");
        }
    }
}

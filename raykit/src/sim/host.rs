//! `Host`: the scripted stand-in for a node around its brain. It makes tasks, runs them, keeps
//! references for a while, and carries out what the brain wants, as `proto::event` has it.

use super::actors::Actors;
use super::bundles::Gangs;
use super::claims::{Claims, failed, inline, read};
use super::faults::Extras;
use super::flow::{Flow, Reader};
use super::model::{Model, mix};
use super::program::{Kind, Program};
use crate::base::quantity::{Amount, Resources};
use crate::base::rng::Rng;
use crate::base::{NodeId, ObjectId, PlacementGroupId, TaskId};
use crate::proto::event::{Event, Wish};
use crate::proto::wire::{LeaseId, Load, Outcome};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What a host does by itself, after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    Submit,
    Finish(LeaseId),
    Drop(ObjectId),
    Cancel(TaskId),
    /// Pull the large result of an own task from that node.
    Fetch(LeaseId, NodeId),
    /// Make a stream.
    Stream,
    /// Call actors of other nodes.
    Call,
    /// The next step of who gives a stream, and of who takes it.
    Yield(LeaseId),
    Take(TaskId),
    EndGroup(PlacementGroupId),
    /// It is told to go, and the time is over in which it may end what it has; see whether it has.
    Leave,
    Drained,
}

/// A task of this node that has not ended.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) program: Program,
    pub(super) args: Vec<ObjectId>,
    pub(super) want: Resources,
    pub(super) wish: Wish,
    pub(super) attempt: u32,
    pub(super) losses: u8,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Here,
    Offered,
    Fetching(NodeId),
}

/// An attempt that is to run here, of an own task or of another node's.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) program: Program,
    pub(super) args: Vec<ObjectId>,
    pub(super) want: Resources,
    /// References that it has got from its calls.
    pub(super) made: Vec<ObjectId>,
    pub(super) running: bool,
    pub(super) flow: Flow,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) me: NodeId,
    pub(super) rng: Rng,
    pub(super) total: Resources,
    pub(super) free: Resources,
    pub(super) claims: Claims,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) jobs: BTreeMap<LeaseId, Job>,
    /// Attempts that are not running yet, in their order.
    pub(super) queue: VecDeque<LeaseId>,
    /// Own tasks whose arguments were not there when last looked at.
    pub(super) unready: Vec<TaskId>,
    /// What the brain has of this node's, and what this node has of others'.
    pub(super) offered: BTreeSet<LeaseId>,
    pub(super) taken: BTreeSet<LeaseId>,
    /// Large results that are kept for their owners.
    pub(super) parked: BTreeMap<LeaseId, u64>,
    /// References in the state of an actor, or in the hands of the program.
    pub(super) kept: Vec<ObjectId>,
    pub(super) members: BTreeMap<NodeId, Resources>,
    pub(super) dead: BTreeSet<NodeId>,
    /// What the brain is to hear.
    pub(super) inbox: VecDeque<Event>,
    pub(super) chores: Vec<(Duration, Chore)>,
    /// References that have arrived with the present event.
    pub(super) arrived: Vec<ObjectId>,
    pub(super) told: Load,
    pub(super) next: u64,
    pub(super) draining: bool,
    /// It has said that it goes.
    pub(super) left: bool,
    /// No new tasks are made, and nothing is kept.
    pub(super) closing: bool,
    pub(super) submits: u32,
    pub(super) gangs: Gangs,
    /// Dice for what is there in some worlds only.
    pub(super) side: Rng,
    /// Streams that are to be made, and those that are read.
    pub(super) streams_left: u32,
    pub(super) readers: BTreeMap<TaskId, Reader>,
    pub(super) actors: Actors,
}

pub(super) fn ms(count: usize) -> Duration {
    Duration::from_millis(count as u64)
}

pub(super) fn cpus(count: usize) -> Resources {
    Resources { cpu: Amount(count as u64 * Amount::ONE.0), ..Resources::default() }
}

impl Host {
    pub(super) fn new(me: NodeId, seed: u64, total: Resources, submits: u32) -> Host {
        Host {
            me,
            side: Rng::new(mix(seed, 1)),
            rng: Rng::new(seed),
            free: total.clone(),
            total,
            claims: Claims::new(me),
            tasks: BTreeMap::new(),
            jobs: BTreeMap::new(),
            queue: VecDeque::new(),
            unready: Vec::new(),
            offered: BTreeSet::new(),
            taken: BTreeSet::new(),
            parked: BTreeMap::new(),
            kept: Vec::new(),
            members: BTreeMap::new(),
            dead: BTreeSet::new(),
            inbox: VecDeque::new(),
            chores: vec![(Duration::from_millis(30), Chore::Submit)],
            arrived: Vec::new(),
            told: Load::default(),
            next: 1,
            draining: false,
            left: false,
            closing: false,
            submits,
            gangs: Gangs::default(),
            streams_left: 0,
            readers: BTreeMap::new(),
            actors: Actors::default(),
        }
    }

    /// What it does beside what it does in all worlds.
    pub(super) fn takes_up(&mut self, extras: Extras) {
        if extras.streams {
            self.streams_left = 1 + self.side.below(4) as u32;
            self.chores.push((ms(50), Chore::Stream));
        }
        if extras.actors {
            self.actors.rounds_left = 2 + self.side.below(5) as u32;
            self.chores.push((ms(60), Chore::Call));
        }
    }

    /// The one node on which an offered task may run.
    pub(super) fn is_hard(&self, lease: LeaseId) -> Option<NodeId> {
        match self.tasks.get(&lease.task)?.wish {
            Wish::At { node, soft: false } => Some(node),
            _ => None,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.me == NodeId(1)
    }

    /// The placement group that an offered task asks for.
    pub(super) fn group_of(&self, lease: LeaseId) -> Option<PlacementGroupId> {
        match self.tasks.get(&lease.task)?.wish {
            Wish::Group { group, .. } => Some(group),
            _ => None,
        }
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.jobs.is_empty() && self.inbox.is_empty()
    }

    /// What waits here, and for what.
    pub(super) fn waits(&self) -> String {
        let lacks = |job: &Job| -> Vec<ObjectId> {
            let none = |arg: &&ObjectId| self.claims.outcome(**arg).is_none();
            job.args.iter().filter(none).copied().collect()
        };
        let all = self.jobs.iter().map(|(lease, job)| (lease, job.running, lacks(job)));
        format!("{:?}", all.collect::<Vec<_>>())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.free == self.total && self.gangs.is_empty()
    }

    pub(super) fn choice<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.rng.below(of.len())])
    }

    pub(super) fn enqueue(
        &mut self,
        model: &mut Model,
        lease: LeaseId,
        program: Program,
        args: Vec<ObjectId>,
        want: Resources,
    ) {
        args.iter().for_each(|arg| self.claims.hold(model, *arg));
        let (made, flow) = (Vec::new(), Flow::default());
        let job = Job { program, args, want, made, running: false, flow };
        self.jobs.insert(lease, job);
        self.queue.push_back(lease);
    }

    /// Takes an attempt out, whether it ran or not.
    pub(super) fn dequeue(&mut self, model: &mut Model, lease: LeaseId) -> Option<Job> {
        let job = self.jobs.remove(&lease)?;
        self.queue.retain(|queued| *queued != lease);
        if job.running {
            self.free.give(&job.want);
        }
        job.args.iter().chain(&job.made).for_each(|object| self.claims.let_go(model, *object));
        Some(job)
    }

    /// Says that it goes.
    pub(super) fn leaves(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.inbox.push_back(Event::Leave("it was asked to".to_owned()));
        }
    }

    /// Whether it has nothing of others, and keeps nothing for them.
    pub(super) fn is_drained(&self) -> bool {
        self.taken.is_empty() && self.parked.is_empty() && self.inbox.is_empty()
    }

    /// Puts an event into the inbox, with a reference to each object in it.
    pub(super) fn post(&mut self, model: &mut Model, event: Event) {
        refs_of(&event).into_iter().for_each(|object| self.claims.hold(model, object));
        self.inbox.push_back(event);
    }

    /// The brain takes an event in: what is in it is claimed for it now.
    pub(super) fn hands_over(&mut self, model: &mut Model, event: &Event) {
        let refs = refs_of(event);
        self.claims.lend(&refs);
        refs.into_iter().for_each(|object| self.claims.let_go(model, object));
        match event {
            Event::Offer(offer) | Event::Call(offer) => drop(self.offered.insert(offer.lease)),
            Event::Withdraw(lease) => drop(self.offered.remove(lease)),
            Event::Ran { lease, .. } | Event::Refused { lease, .. } => {
                self.taken.remove(lease);
            }
            Event::Dropped { object, generation } => {
                self.claims.forget(model, *object, *generation);
            }
            _ => {}
        }
    }

    /// To be called after whatever has happened here: begins what can begin, and tells the brain
    /// what has changed.
    pub(super) fn settle(&mut self, model: &mut Model) {
        for object in std::mem::take(&mut self.arrived) {
            self.claims.let_go(model, object);
        }
        for id in std::mem::take(&mut self.unready) {
            let is_there = |arg: &ObjectId| self.claims.outcome(*arg).is_some();
            match self.tasks.get(&id) {
                None => {}
                Some(task) if !task.args.iter().all(is_there) => self.unready.push(id),
                Some(_) => {
                    let away = self.rng.below(3) > 0;
                    self.dispatch(model, id, away);
                }
            }
        }
        self.tends_groups(model);
        self.begin(model);
        for object in std::mem::take(&mut self.claims.sealed) {
            if let Some(outcome) = self.claims.outcome(object).cloned() {
                self.post(model, Event::Sealed { object, outcome });
            }
        }
        for (object, generation) in std::mem::take(&mut self.claims.dropped) {
            self.inbox.push_back(Event::Dropped { object, generation });
        }
        let own = |lease: &&LeaseId| lease.task.node == self.me;
        let load = Load {
            free: self.free.clone(),
            queued: self.queue.iter().filter(own).count() as u32,
            draining: self.draining,
            suspect: false,
        };
        if load != self.told {
            self.told = load.clone();
            self.inbox.push_back(Event::Load(load));
        }
    }

    /// Begins the attempts whose arguments are there and for which there is room.
    fn begin(&mut self, model: &mut Model) {
        let mut at = 0;
        while let Some(lease) = self.queue.get(at).copied() {
            let Some(job) = self.jobs.get(&lease) else { continue };
            let there = job.args.iter().all(|arg| self.claims.outcome(*arg).is_some());
            if !there || !self.is_in_turn(lease) || !self.free.take(&job.want) {
                at += 1;
                continue;
            }
            self.begins_call(model, lease);
            let Some(job) = self.jobs.get_mut(&lease) else { continue };
            job.running = true;
            self.queue.remove(at);
            model.begins(self.me, lease, u32::from(job.program.retries_max));
            let is_stream = matches!(job.program.kind, Kind::Stream { .. });
            let (depth, from) = (job.program.depth, self.reach(lease));
            let calls = if depth > 0 { self.rng.below(4) } else { 0 };
            for _ in 0..calls {
                let made = self.submit(model, depth - 1, &from);
                if let Some(job) = self.jobs.get_mut(&lease) {
                    job.made.extend(made);
                }
            }
            let pause = match self.rng.below(20) {
                0 => ms(self.rng.below(2_000)),
                _ => Duration::from_micros(self.rng.below(20_000) as u64),
            };
            let chore = if is_stream { Chore::Yield(lease) } else { Chore::Finish(lease) };
            self.chores.push((pause, chore));
        }
    }

    /// The objects that an attempt can name: its arguments, what stands in them, what it has made,
    /// and what the node keeps.
    pub(super) fn reach(&self, lease: LeaseId) -> Vec<ObjectId> {
        let Some(job) = self.jobs.get(&lease) else { return Vec::new() };
        let outcomes = job.args.iter().filter_map(|arg| self.claims.outcome(*arg));
        let inner = outcomes.flat_map(|outcome| outcome.refs().iter().copied());
        let mut all: Vec<ObjectId> = job.args.iter().chain(&job.made).copied().collect();
        all.extend(inner);
        all.extend(self.kept.iter().take(2));
        all
    }

    /// What became of an attempt, result by result.
    fn results(&mut self, model: &mut Model, lease: LeaseId) -> Vec<Outcome> {
        let Some(job) = self.jobs.get(&lease) else { return Vec::new() };
        let program = job.program;
        let args: Result<Vec<u64>, u8> =
            job.args.iter().filter_map(|arg| self.claims.outcome(*arg)).map(read).collect();
        let args = match args {
            Ok(args) => args,
            Err(cause) => return vec![failed(cause); usize::from(program.results)],
        };
        let reach = self.reach(lease);
        let mut results = Vec::new();
        for at in 0..u32::from(program.results) {
            let value = program.value(at, args.iter().copied());
            let mut inner = Vec::new();
            for _ in 0..self.rng.below(4).saturating_sub(1) {
                let outer = lease.task.result(at);
                inner.extend(self.choice(&reach).filter(|inner| model.may_hold(outer, *inner)));
            }
            results.push(inline(value, inner));
        }
        results
    }

    pub(super) fn finish(&mut self, model: &mut Model, lease: LeaseId) {
        if !self.jobs.get(&lease).is_some_and(|job| job.running) {
            return;
        }
        let mut results = self.results(model, lease);
        let is_task = self.jobs.get(&lease).is_some_and(|job| job.program.kind == Kind::Task);
        let reach = self.reach(lease);
        if self.rng.below(4) == 0
            && let Some(object) = self.choice(&reach)
        {
            self.keep(model, object);
        }
        if lease.task.node == self.me {
            // The results take hold of what is in them before the attempt lets go.
            let current = |task: &Task| task.attempt == lease.attempt;
            if self.tasks.get(&lease.task).is_some_and(current) {
                self.end(model, lease.task, results);
            }
        } else {
            let large = is_task && results.len() == 1 && self.rng.below(8) == 0;
            if large && let Ok(value) = read(&results[0]) {
                self.parked.insert(lease, value);
                results = vec![Outcome::Large(1 << 30, Vec::new())];
            }
            self.post(model, Event::Ran { lease, results });
        }
        self.dequeue(model, lease);
    }

    /// Keeps a reference for a while.
    pub(super) fn keep(&mut self, model: &mut Model, object: ObjectId) {
        if self.closing {
            return;
        }
        self.claims.hold(model, object);
        self.kept.push(object);
        let pause = ms(self.rng.below(4_000));
        self.chores.push((pause, Chore::Drop(object)));
    }

    fn drop_kept(&mut self, model: &mut Model, object: ObjectId) {
        if let Some(at) = self.kept.iter().position(|kept| *kept == object) {
            self.kept.swap_remove(at);
            self.claims.let_go(model, object);
        }
    }

    /// Drops all that the node keeps, and makes no more tasks.
    pub(super) fn close(&mut self, model: &mut Model) {
        self.closing = true;
        for object in std::mem::take(&mut self.kept) {
            self.claims.let_go(model, object);
        }
    }

    pub(super) fn does(&mut self, model: &mut Model, chore: Chore) {
        match chore {
            Chore::Submit if self.closing || self.draining || self.submits == 0 => {}
            Chore::Submit => {
                self.submits -= 1;
                self.wants_group(model);
                let kept = self.kept.clone();
                let depth = self.rng.below(4) as u8;
                for object in self.submit(model, depth, &kept) {
                    self.keep(model, object);
                    self.claims.let_go(model, object);
                }
                let pause = ms(self.rng.below(600));
                self.chores.push((pause, Chore::Submit));
            }
            Chore::Stream if self.closing || self.draining || self.streams_left == 0 => {}
            Chore::Stream => {
                self.streams_left -= 1;
                self.opens_stream(model);
                self.chores.push((ms(self.side.below(2_000)), Chore::Stream));
            }
            Chore::Call if self.closing || self.actors.rounds_left == 0 => {}
            Chore::Call => {
                self.actors.rounds_left -= 1;
                self.calls_actors(model);
                self.chores.push((ms(self.side.below(2_000)), Chore::Call));
            }
            Chore::Yield(lease) => self.yields(model, lease),
            Chore::Take(stream) => self.takes(model, stream),
            Chore::Finish(lease) => self.finish(model, lease),
            Chore::Drop(object) => self.drop_kept(model, object),
            Chore::Cancel(task) => self.cancel(model, task),
            Chore::EndGroup(group) => self.inbox.push_back(Event::EndGroup(group)),
            Chore::Leave => self.leaves(),
            Chore::Fetch(..) | Chore::Drained => {}
        }
    }
}

/// The objects that stand in an event.
fn refs_of(event: &Event) -> Vec<ObjectId> {
    match event {
        Event::Offer(offer) | Event::Call(offer) => offer.refs.clone(),
        Event::Ran { results, .. } => results.iter().flat_map(Outcome::refs).copied().collect(),
        Event::Sealed { outcome, .. } | Event::Item { item: outcome, .. } => {
            outcome.refs().to_vec()
        }
        _ => Vec::new(),
    }
}

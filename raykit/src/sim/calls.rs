//! The host makes tasks, and sends them on their way.

use super::host::{Chore, Host, Place, Task, cpus, ms};
use super::model::Model;
use super::program::{Kind, Program};
use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, ObjectId, TaskId};
use crate::proto::event::{Event, Offer, Wish};
use crate::proto::wire::LeaseId;
use std::sync::Arc;

impl Host {
    /// Makes a task. Its results, each with a reference for who asked for it.
    pub(super) fn submit(
        &mut self,
        model: &mut Model,
        depth: u8,
        from: &[ObjectId],
    ) -> Vec<ObjectId> {
        let results = 1 + u8::from(self.rng.below(5) == 0);
        let retries_max = self.rng.below(4) as u8;
        let seed = self.rng.next();
        let program = Program { seed, results, depth, retries_max, kind: Kind::Task };
        let mut args: Vec<ObjectId> = Vec::new();
        for _ in 0..self.rng.below(3) {
            args.extend(self.choice(from));
        }
        let mut want = cpus(1);
        match self.rng.below(40) {
            0 => want.gpu = Amount(1_000 * Amount::ONE.0),
            1..=4 => want.gpu = Amount::ONE,
            _ => {}
        }
        let members: Vec<NodeId> = self.members.keys().copied().collect();
        let wish = match (self.rng.below(8), self.choice(&members)) {
            (0, _) => Wish::Spread,
            (1, Some(node)) => Wish::At { node, soft: true },
            (2, Some(node)) => Wish::At { node, soft: false },
            (3, _) => self.wishes_group(model).unwrap_or(Wish::Anywhere),
            _ => Wish::Anywhere,
        };
        if let Wish::Group { group, bundle } = wish {
            want = want.in_group(group, bundle);
        }
        let id = TaskId { node: self.me, sequence: self.next };
        let all = self.launch(model, program, args, want, wish);
        if self.rng.below(20) == 0 {
            let pause = ms(self.rng.below(400));
            self.chores.push((pause, Chore::Cancel(id)));
        }
        all
    }

    /// A new task, and its results, each with a reference.
    pub(super) fn launch(
        &mut self,
        model: &mut Model,
        program: Program,
        args: Vec<ObjectId>,
        want: Resources,
        wish: Wish,
    ) -> Vec<ObjectId> {
        let id = TaskId { node: self.me, sequence: self.next };
        self.next += 1;
        args.iter().for_each(|arg| self.claims.hold(model, *arg));
        let all: Vec<ObjectId> = (0..u32::from(program.results)).map(|at| id.result(at)).collect();
        for (object, at) in all.iter().zip(0..) {
            let value = program.expected(model, at, &args);
            self.claims.create(model, *object, value);
            self.claims.hold(model, *object);
        }
        let (attempt, losses, place) = (0, 0, Place::Here);
        let task = Task { program, args, want, wish, attempt, losses, place };
        self.tasks.insert(id, task);
        self.unready.push(id);
        all
    }

    /// An attempt of an own task is to run, here or wherever the brain thinks.
    pub(super) fn dispatch(&mut self, model: &mut Model, id: TaskId, away: bool) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let lease = LeaseId { task: id, attempt: task.attempt };
        let here = task.want.fits(&self.total);
        if here && !away && task.wish == Wish::Anywhere {
            return self.queue_own(model, id);
        }
        task.place = Place::Offered;
        let offer = Offer {
            labels: Arc::from([]),
            holds: false,
            lease,
            want: task.want.clone(),
            wish: task.wish,
            spec: task.program.spec(),
            refs: task.args.clone(),
        };
        self.post(model, Event::Offer(Box::new(offer)));
    }

    pub(super) fn queue_own(&mut self, model: &mut Model, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.place = Place::Here;
        let lease = LeaseId { task: id, attempt: task.attempt };
        let (program, args, want) = (task.program, task.args.clone(), task.want.clone());
        self.enqueue(model, lease, program, args, want);
    }
}

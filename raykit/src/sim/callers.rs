//! Calls of actors. Each host has one, which lives as long as the host; several callers on each of
//! the others call it, and it runs the calls of each caller one by one and in their order.

use super::host::{Chore, Host, Place, Task, ms};
use super::model::Model;
use super::program::{Kind, Program};
use crate::base::quantity::Resources;
use crate::base::{NodeId, ObjectId, TaskId};
use crate::proto::event::{Event, Offer, Wish};
use crate::proto::wire::LeaseId;
use std::sync::Arc;

/// Callers on one node.
const CALLERS: usize = 3;

impl Host {
    /// Some calls, of one caller and one actor.
    pub(super) fn calls_actors(&mut self, model: &mut Model) {
        let me = self.me;
        let others: Vec<NodeId> = self.members.keys().copied().filter(|node| *node != me).collect();
        let caller = self.side.below(CALLERS) as u32;
        let Some(node) = (!others.is_empty()).then(|| others[self.side.below(others.len())]) else {
            return;
        };
        for _ in 0..1 + self.side.below(5) {
            self.calls_actor(model, node, caller);
        }
    }

    fn calls_actor(&mut self, model: &mut Model, node: NodeId, caller: u32) {
        let next = self.actors.next.entry((node, caller)).or_default();
        let kind = Kind::Call { caller, number: *next };
        *next += 1;
        let seed = self.side.next();
        let program = Program { seed, results: 1, depth: 0, retries_max: 0, kind };
        let kept = self.kept.clone();
        let few = if self.side.below(3) == 0 { 2 } else { 0 };
        let args: Vec<ObjectId> = (0..few).filter_map(|_| self.choice(&kept)).collect();
        args.iter().for_each(|arg| self.claims.hold(model, *arg));
        let id = TaskId { node: self.me, sequence: self.next };
        self.next += 1;
        let result = id.result(0);
        let value = program.expected(model, 0, &args);
        self.claims.create(model, result, value);
        self.claims.hold(model, result);
        let (want, wish) = (Resources::NOTHING, Wish::At { node, soft: false });
        let offer = Offer {
            labels: Arc::from([]),
            holds: false,
            lease: LeaseId { task: id, attempt: 0 },
            want: want.clone(),
            wish,
            spec: program.spec(),
            refs: args.clone(),
        };
        let (attempt, losses, place) = (0, 0, Place::Offered);
        self.tasks.insert(id, Task { program, args, want, wish, attempt, losses, place });
        self.post(model, Event::Call(Box::new(offer)));
        if self.side.below(2) == 0 {
            self.keep(model, result);
        }
        self.claims.let_go(model, result);
        if self.side.below(12) == 0 {
            self.chores.push((ms(self.side.below(200)), Chore::Cancel(id)));
        }
    }

    /// A call of the actor here has come.
    pub(super) fn hears_call(&mut self, model: &mut Model, lease: LeaseId, program: Program) {
        let Kind::Call { caller, number } = program.kind else { return };
        let come = self.actors.come.entry((lease.task.node, caller)).or_default();
        if number != *come {
            let me = self.me;
            let text = format!("I15: {me} hears call {number} of {lease:?} after {come}");
            model.fail_of([me, lease.task.node], text);
        }
        *come = number + 1;
    }

    /// Whether no call that this one's caller made before waits or runs.
    pub(super) fn is_in_turn(&self, lease: LeaseId) -> bool {
        let call = |lease: LeaseId| match self.jobs.get(&lease)?.program.kind {
            Kind::Call { caller, number } => Some((lease.task.node, caller, number)),
            Kind::Task | Kind::Stream { .. } => None,
        };
        let Some((node, caller, number)) = call(lease) else { return true };
        let others = self.jobs.keys().filter(|other| other.task.node == node);
        !others.filter_map(|other| call(*other)).any(|(_, of, n)| of == caller && n < number)
    }

    pub(super) fn begins_call(&mut self, model: &mut Model, lease: LeaseId) {
        let Some(job) = self.jobs.get(&lease) else { return };
        let Kind::Call { caller, number } = job.program.kind else { return };
        let begun = self.actors.begun.entry((lease.task.node, caller)).or_default();
        if number < *begun {
            let text = format!("I15: {lease:?} begins as call {number} after {begun}");
            model.fail_of([self.me, lease.task.node], text);
        }
        *begun = number + 1;
    }
}

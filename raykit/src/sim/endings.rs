//! How the own tasks of a host end, or begin anew.

use super::claims::{cause, failed, inline, read};
use super::host::{Host, Place, Task};
use super::model::Model;
use crate::base::TaskId;
use crate::proto::event::Event;
use crate::proto::wire::{LeaseId, Outcome};

impl Host {
    /// An own task has ended.
    pub(super) fn end(&mut self, model: &mut Model, id: TaskId, results: Vec<Outcome>) {
        let Some(task) = self.tasks.remove(&id) else { return };
        model.settled += 1;
        let well = results.first().is_some_and(|outcome| read(outcome).is_ok());
        self.ends_stream(model, id, task.attempt, well);
        for (outcome, at) in results.into_iter().zip(0..) {
            if let Err(why) = read(&outcome) {
                model.errs(id, why >= cause::LOST);
            }
            self.claims.seal(model, id.result(at), outcome);
            self.claims.let_go(model, id.result(at));
        }
        task.args.iter().for_each(|arg| self.claims.let_go(model, *arg));
    }

    pub(super) fn fail(&mut self, model: &mut Model, id: TaskId, cause: u8) {
        let results = self.tasks.get(&id).map_or(0, |task| usize::from(task.program.results));
        self.end(model, id, vec![failed(cause); results]);
    }

    pub(super) fn cancel(&mut self, model: &mut Model, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        let lease = LeaseId { task: id, attempt: task.attempt };
        if task.place == Place::Offered {
            self.post(model, Event::Withdraw(lease));
        } else if let Some(job) = self.jobs.get_mut(&lease) {
            job.flow.over = true;
            if !job.running || job.flow.parked {
                self.dequeue(model, lease);
            }
        }
        self.fail(model, id, cause::CANCELLED);
    }

    /// An attempt of an own task is lost, or was turned down: the next one, if there may be one.
    pub(super) fn again(&mut self, model: &mut Model, id: TaskId, lost: bool) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.losses += u8::from(lost);
        if task.losses > task.program.retries_max {
            return self.fail(model, id, cause::LOST);
        }
        task.attempt += 1;
        let away = self.rng.below(2) == 0;
        self.dispatch(model, id, away);
    }

    /// The large result of an own task has come, or with `None` is lost.
    pub(super) fn fetched(&mut self, model: &mut Model, lease: LeaseId, value: Option<u64>) {
        match value {
            Some(value) => self.end(model, lease.task, vec![inline(value, Vec::new())]),
            None => self.again(model, lease.task, true),
        }
    }

    /// Whether the node still wants that large result.
    pub(super) fn fetches(&self, lease: LeaseId) -> bool {
        let fetching = |task: &Task| matches!(task.place, Place::Fetching(_));
        self.tasks.get(&lease.task).is_some_and(|t| t.attempt == lease.attempt && fetching(t))
    }
}

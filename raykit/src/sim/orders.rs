//! The host carries out what its brain wants done, apart from what concerns the network.

use super::claims::{cause, failed};
use super::host::{Chore, Host, Job, Place};
use super::model::Model;
use super::program::{Kind, Program};
use crate::base::quantity::Resources;
use crate::base::{NodeId, ObjectId, TaskId};
use crate::proto::event::{Action, Event, Offer, Wish};
use crate::proto::wire::{Bytes, LeaseId, Outcome};
use std::sync::Arc;
use std::time::Duration;

impl Host {
    /// Does what the brain wants. `from` is the node whose packet the brain has just read.
    pub(super) fn obeys(&mut self, model: &mut Model, from: Option<NodeId>, action: Action) {
        match action {
            Action::Run { lease, want, spec, refs } => {
                self.runs(model, lease, want, &spec, refs);
            }
            Action::Stop { lease } => self.stops(model, lease),
            Action::Keep(offer) => {
                let here = offer.want.fits(&self.total);
                if !here {
                    model.fail_of([self.me], format!("I11: {} keeps what it cannot run", self.me));
                }
                if self.returns(model, offer.lease) {
                    self.queue_own(model, offer.lease.task);
                }
            }
            Action::Settle { lease, by, results } => self.settles(model, lease, by, results),
            Action::TurnedDown { lease, .. } => self.is_turned_down(model, lease),
            Action::Lost { lease, .. } => {
                if self.returns(model, lease) {
                    self.again(model, lease.task, true);
                }
            }
            Action::Infeasible { lease, .. } => {
                if self.returns(model, lease) {
                    self.fail(model, lease.task, cause::INFEASIBLE);
                }
            }
            Action::Give { to, count } => self.gives(model, to, count),
            Action::Hold { object, generation } => {
                self.claims.arrives(model, from.unwrap_or(self.me), object, generation);
                self.arrived.push(object);
                if self.dead.contains(&object.node) {
                    self.claims.seal(model, object, failed(cause::OWNER_DIED));
                }
            }
            Action::Let(object) => self.claims.brain_lets(model, object),
            Action::Watch(object) => self.claims.watch(model, object),
            Action::Want(_) => {} // outcomes are told to all who hold them, as soon as they are there
            Action::Fill { object, outcome } => self.is_told(model, object, outcome),
            Action::Item { lease, item } => self.hears_item(model, from, lease, item),
            Action::Credit { lease, items } => self.hears_credit(model, lease, items),
            Action::Cancel(object) => {
                // Nobody else here cancels what he has borrowed.
                if model.hostile.is_none() {
                    model.fail(format!("{} is to cancel what nobody has asked for", self.me));
                }
                self.cancel(model, TaskId { node: object.node, sequence: object.sequence });
            }
            Action::Unpark(lease) => drop(self.parked.remove(&lease)),
            Action::Joined(member) => {
                if self.dead.contains(&member.node) {
                    model.fail(format!("I18: {} was dead, and joins again", member.node));
                }
                self.members.insert(member.node, member.total);
            }
            Action::Gone { node, .. } => self.mourns(model, node),
            Action::Reserve { .. }
            | Action::Unreserve { .. }
            | Action::GroupLies { .. }
            | Action::GroupEnded { .. } => self.of_groups(model, action),
            Action::Send(..) | Action::Connect(..) | Action::Disconnect(_) => {}
            Action::Alone { .. } => {}
        }
    }

    fn is_told(&mut self, model: &mut Model, object: ObjectId, outcome: Outcome) {
        if self.claims.get(object).is_none() {
            model.fail(format!("I6: {} is told of {object}, which it has not", self.me));
        }
        if outcome == Outcome::Freed {
            model.to_check_told.push((self.me, object));
        }
        self.claims.seal(model, object, outcome);
    }

    fn is_turned_down(&mut self, model: &mut Model, lease: LeaseId) {
        if self.returns(model, lease) {
            let kind = self.tasks.get(&lease.task).map(|task| task.program.kind);
            if matches!(kind, Some(Kind::Call { .. })) {
                let text = format!("I16: {lease:?} is a call, and nobody turns it down");
                model.fail_of([self.me], text);
            }
            self.again(model, lease.task, false);
        }
    }

    /// The brain has done with a lease of an own task. Whether that is the present attempt.
    fn returns(&mut self, model: &mut Model, lease: LeaseId) -> bool {
        if !self.offered.remove(&lease) {
            model.fail(format!("I2: {} hears of {lease:?}, which is over", self.me));
            return false;
        }
        self.tasks.get(&lease.task).is_some_and(|task| task.attempt == lease.attempt)
    }

    fn runs(
        &mut self,
        model: &mut Model,
        lease: LeaseId,
        want: Resources,
        spec: &[u8],
        refs: Vec<ObjectId>,
    ) {
        if !self.taken.insert(lease) {
            model.fail_of([self.me], format!("I12: {} is given {lease:?} twice", self.me));
        }
        let program = Program::read(spec);
        let is_call = program.is_some_and(|program| matches!(program.kind, Kind::Call { .. }));
        program.into_iter().for_each(|program| self.hears_call(model, lease, program));
        match program {
            Some(program)
                if (!self.draining || is_call)
                    && want.fits(&self.total)
                    && !self.gangs.is_over(&want) =>
            {
                self.enqueue(model, lease, program, refs, want);
            }
            _ => {
                let why = Bytes::from(*b"not here");
                self.post(model, Event::Refused { lease, why });
            }
        }
    }

    fn stops(&mut self, model: &mut Model, lease: LeaseId) {
        // Every second one that runs goes on to its end, as a function does that cannot be stopped.
        let odd = self.next.is_multiple_of(2);
        let goes_on = self.jobs.get_mut(&lease).is_some_and(|job| {
            job.flow.over = true;
            job.running && !job.flow.parked && odd
        });
        if !goes_on && self.dequeue(model, lease).is_some() {
            let why = Bytes::from(*b"stopped");
            self.post(model, Event::Refused { lease, why });
        }
    }

    fn settles(&mut self, model: &mut Model, lease: LeaseId, by: NodeId, results: Vec<Outcome>) {
        if !self.returns(model, lease) {
            // The attempt was given up meanwhile: what is parked for it is fetched and forgotten.
            if results.iter().any(|result| matches!(result, Outcome::Large(..))) {
                self.chores.push((Duration::ZERO, Chore::Fetch(lease, by)));
            }
            return;
        }
        if let [Outcome::Large(..)] = results[..] {
            if let Some(task) = self.tasks.get_mut(&lease.task) {
                task.place = Place::Fetching(by);
            }
            self.chores.push((Duration::from_millis(3), Chore::Fetch(lease, by)));
            return;
        }
        if let Some(reader) = self.readers.get_mut(&lease.task) {
            reader.by = Some(by);
        }
        self.end(model, lease.task, results);
    }

    /// Offers queued tasks to a node that has room.
    fn gives(&mut self, model: &mut Model, to: NodeId, count: u32) {
        if self.dead.contains(&to) {
            model.fail(format!("I22: {} is to give work to {to}, which is dead", self.me));
        }
        for _ in 0..count {
            let Some(total) = self.members.get(&to) else { return };
            let fits = |lease: &&LeaseId| {
                let could = |job: &Job| job.want.fits(total);
                lease.task.node == self.me && self.jobs.get(*lease).is_some_and(could)
            };
            let Some(lease) = self.queue.iter().rev().find(fits).copied() else { return };
            let Some(task) = self.tasks.get_mut(&lease.task) else { return };
            task.place = Place::Offered;
            let offer = Offer {
                labels: Arc::from([]),
                holds: false,
                lease,
                want: task.want.clone(),
                wish: Wish::At { node: to, soft: true },
                spec: task.program.spec(),
                refs: task.args.clone(),
            };
            self.post(model, Event::Offer(Box::new(offer)));
            self.dequeue(model, lease);
        }
    }

    /// A node is gone.
    fn mourns(&mut self, model: &mut Model, node: NodeId) {
        model.deaths += 1;
        self.members.remove(&node);
        self.dead.insert(node);
        self.claims.owner_gone(model, node);
        self.inherits_groups(node);
        self.parked.retain(|lease, _| lease.task.node != node);
        let fetching = self.tasks.iter().filter(|(_, task)| task.place == Place::Fetching(node));
        let lost: Vec<_> = fetching.map(|(id, _)| *id).collect();
        lost.into_iter().for_each(|id| self.again(model, id, true));
    }
}

//! Streams: tasks that give their items one after the other, and hosts that read them, at once,
//! slowly, or not to the end.
//!
//! A producer is as many items ahead of its reader as its program says, and then waits for word
//! (`Credit`) of how many were taken. What is taken becomes an object of the reader's like others.

use super::claims::{inline, read};
use super::flow::{Flow, Reader};
use super::host::{Chore, Host, Place, cpus, ms};
use super::model::Model;
use super::program::{Kind, Program};
use crate::base::{NodeId, ObjectId, TaskId};
use crate::proto::event::{Event, Wish};
use crate::proto::wire::{LeaseId, Outcome};
use std::time::Duration;

impl Host {
    /// Makes a stream, and reads it.
    pub(super) fn opens_stream(&mut self, model: &mut Model) {
        let (items, ahead) = (self.side.below(16) as u32, 1 + self.side.below(4) as u32);
        let program = Program {
            seed: self.side.next(),
            results: 1,
            depth: 0,
            retries_max: self.side.below(4) as u8,
            kind: Kind::Stream { items, ahead },
        };
        let kept = self.kept.clone();
        let args: Vec<ObjectId> =
            (0..self.side.below(2)).filter_map(|_| self.choice(&kept)).collect();
        let members: Vec<_> = self.members.keys().copied().collect();
        let wish = match (self.side.below(4), self.choice(&members)) {
            (0, _) => Wish::Anywhere,
            (1, Some(node)) => Wish::At { node, soft: true },
            (2, Some(node)) => Wish::At { node, soft: false },
            _ => Wish::Spread,
        };
        let reader = Reader {
            program,
            args: args.clone(),
            attempt: 0,
            come: 0,
            credited: 0,
            line: Default::default(),
            taken: 0,
            stops_at: if self.side.below(4) == 0 { self.side.below(8) as u32 } else { u32::MAX },
            by: None,
            slow: self.side.below(3) == 0,
            awake: true,
            ended: false,
        };
        for arg in &args {
            self.claims.hold(model, *arg);
        }
        let id = TaskId { node: self.me, sequence: self.next };
        for end in self.launch(model, program, args, cpus(1), wish) {
            self.claims.let_go(model, end);
        }
        self.readers.insert(id, reader);
        self.chores.push((Duration::ZERO, Chore::Take(id)));
    }

    /// A producer takes its next step.
    pub(super) fn yields(&mut self, model: &mut Model, lease: LeaseId) {
        let Some(job) = self.jobs.get(&lease) else { return };
        let Kind::Stream { items, ahead } = job.program.kind else { return };
        let args = job.args.iter().filter_map(|arg| self.claims.outcome(*arg)).map(read);
        let Ok(args) = args.collect::<Result<Vec<u64>, u8>>() else {
            return self.finish(model, lease);
        };
        if job.flow.over || job.flow.sent >= items {
            return self.finish(model, lease);
        }
        let index = job.flow.sent;
        let is_full = index - job.flow.known >= ahead;
        let value = job.program.value(1 + index, args.into_iter());
        if let Some(job) = self.jobs.get_mut(&lease) {
            job.flow.parked = is_full;
            job.flow.sent += u32::from(!is_full);
        }
        if is_full {
            return;
        }
        model.gives_item(lease, index, ahead);
        let reach = self.reach(lease);
        let object = lease.task.result(1 + index);
        let inner = (self.side.below(4) == 0).then(|| self.choice(&reach)).flatten();
        let inner = inner.filter(|inner| model.may_hold(object, *inner));
        let item = inline(value, inner.into_iter().collect());
        if lease.task.node == self.me {
            self.puts_in_line(model, lease, item);
        } else {
            self.post(model, Event::Item { lease, item });
        }
        let pause = match self.side.below(12) {
            0 => ms(self.side.below(500)),
            _ => Duration::from_micros(self.side.below(4_000) as u64),
        };
        self.chores.push((pause, Chore::Yield(lease)));
    }

    /// So many items were taken by who reads the stream that runs here.
    pub(super) fn hears_credit(&mut self, model: &mut Model, lease: LeaseId, items: u64) {
        let Some(job) = self.jobs.get_mut(&lease) else { return };
        let Flow { sent, known, .. } = job.flow;
        if items < u64::from(known) || items > u64::from(sent) {
            let text = format!("I21: {items} items of {lease:?} are taken, of {sent} ({known})");
            model.fail_of([self.me, lease.task.node], text);
            return;
        }
        job.flow.known = items as u32;
        if std::mem::take(&mut job.flow.parked) {
            self.chores.push((Duration::from_micros(100), Chore::Yield(lease)));
        }
    }

    /// The brain has an item of an own stream. G6, G7: whatever is lost, late, or of an attempt
    /// that was given up.
    pub(super) fn hears_item(
        &mut self,
        model: &mut Model,
        from: Option<NodeId>,
        lease: LeaseId,
        item: Outcome,
    ) {
        if let Some(reader) = self.readers.get_mut(&lease.task) {
            reader.by = from;
        }
        if !self.offered.contains(&lease) {
            model.fail(format!("I21: {} has an item of {lease:?}, which is over", self.me));
        }
        self.puts_in_line(model, lease, item);
    }

    fn puts_in_line(&mut self, model: &mut Model, lease: LeaseId, item: Outcome) {
        let id = lease.task;
        // Of what was given up the last items may come late.
        let current = self.tasks.get(&id).is_some_and(|task| task.attempt == lease.attempt);
        let Some(reader) = self.readers.get_mut(&id).filter(|_| current) else { return };
        if reader.attempt != lease.attempt {
            (reader.attempt, reader.come, reader.credited) = (lease.attempt, 0, 0);
        }
        let args = reader.args.iter().map(|arg| model.value(*arg));
        let expected = reader.program.value(1 + reader.come, args);
        if read(&item) != Ok(expected) {
            let (come, me) = (reader.come, self.me);
            let text = format!("I21: {me} has {item:?} as item {come} of {lease:?}");
            return model.fail_of([me, reader.by.unwrap_or(me)], text);
        }
        reader.come += 1;
        let wakes = !std::mem::replace(&mut reader.awake, true);
        if reader.come > reader.taken + reader.line.len() as u32 {
            item.refs().iter().for_each(|inner| self.claims.hold(model, *inner));
            reader.line.push_back(item);
        }
        if wakes {
            self.chores.push((Duration::ZERO, Chore::Take(id)));
        }
    }

    /// Who reads a stream takes a step.
    pub(super) fn takes(&mut self, model: &mut Model, id: TaskId) {
        let Some(reader) = self.readers.get_mut(&id) else { return };
        if reader.taken >= reader.stops_at {
            self.drops_reader(model, id);
            return self.cancel(model, id);
        }
        let Some(item) = reader.line.pop_front() else {
            reader.awake = false;
            if reader.ended {
                self.drops_reader(model, id);
            } else {
                self.credits(model, id);
            }
            return;
        };
        reader.taken += 1;
        let (object, slow) = (id.result(reader.taken), reader.slow);
        let args = reader.args.iter().map(|arg| model.value(*arg));
        let value = reader.program.value(reader.taken, args);
        model.takes_item(id);
        self.claims.create(model, object, value);
        let inner = item.refs().to_vec();
        self.claims.seal(model, object, item);
        inner.into_iter().for_each(|inner| self.claims.let_go(model, inner));
        if self.side.below(3) == 0 {
            self.keep(model, object);
        }
        self.claims.let_go(model, object);
        self.credits(model, id);
        let pause = if slow { 300_000 } else { 3_000 };
        let pause = Duration::from_micros(self.side.below(pause) as u64);
        self.chores.push((pause, Chore::Take(id)));
    }

    /// Tells the producer how many were taken: not each by itself, but before it waits for that.
    fn credits(&mut self, model: &mut Model, id: TaskId) {
        let (Some(task), Some(reader)) = (self.tasks.get(&id), self.readers.get_mut(&id)) else {
            return;
        };
        let Kind::Stream { ahead, .. } = reader.program.kind else { return };
        let taken = reader.come.min(reader.taken);
        if task.attempt != reader.attempt || taken - reader.credited < ahead.div_ceil(2) {
            return;
        }
        reader.credited = taken;
        let (lease, items) = (LeaseId { task: id, attempt: reader.attempt }, u64::from(taken));
        if task.place == Place::Here {
            self.hears_credit(model, lease, items);
        } else {
            self.post(model, Event::Credit { lease, items });
        }
    }

    fn drops_reader(&mut self, model: &mut Model, id: TaskId) {
        let Some(reader) = self.readers.remove(&id) else { return };
        let line = reader.line.iter().flat_map(Outcome::refs).copied();
        reader
            .args
            .iter()
            .copied()
            .chain(line)
            .for_each(|object| self.claims.let_go(model, object));
    }

    /// The task of a stream has ended: well, or in an error.
    pub(super) fn ends_stream(&mut self, model: &mut Model, id: TaskId, attempt: u32, well: bool) {
        let Some(reader) = self.readers.get_mut(&id) else { return };
        reader.ended = true;
        let Kind::Stream { items, .. } = reader.program.kind else { return };
        let come = if reader.attempt == attempt { reader.come } else { 0 };
        if well && come != items {
            let text = format!("I21: {id} ends well after {come} items of {items}");
            model.fail_of([self.me, reader.by.unwrap_or(self.me)], text);
        }
        if !std::mem::replace(&mut reader.awake, true) {
            self.chores.push((Duration::ZERO, Chore::Take(id)));
        }
    }

    /// Streams that somebody reads here, and a producer that waits.
    pub(super) fn streams(&self) -> (usize, Option<LeaseId>) {
        let parked = self.jobs.iter().find(|(_, job)| job.flow.parked);
        (self.readers.len(), parked.map(|(lease, _)| *lease))
    }
}

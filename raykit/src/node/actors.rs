//! The actors of a node: who has a name, who is alive, and what a handle is.

use super::cell::Cell;
use super::claim::Claim;
use super::fetch::{self, Goal};
use super::names;
use super::placed::Placed;
use super::question::{Name, name_of};
use super::report::ActorState;
use super::task::{Mailbox, Task};
use super::{Node, current, slots, submit};
use crate::actor::options::ActorOptions;
use crate::base::clock;
use crate::base::limits::DEAD_ACTORS_KEPT_MAX;
use crate::base::maps::HashMap;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef};
use crate::task::arg::Inputs;
use crate::task::function::Function;
use crate::task::options::Options as CallOptions;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// All actors of a node.
#[derive(Default)]
pub(crate) struct Actors {
    state: Mutex<Table>,
    /// What is told of those that have ended.
    dead: Mutex<VecDeque<ActorState>>,
}

#[derive(Default)]
struct Table {
    /// Each knows its place in this list.
    alive: Vec<Weak<Cell>>,
    /// Those that the cluster has placed, or is to place.
    placed: Vec<Weak<Placed>>,
    names: HashMap<Name, Named>,
}

impl Table {
    fn add(&mut self, cell: &Arc<Cell>) {
        cell.place.store(self.alive.len() as u32, Ordering::Relaxed); // under the table's lock
        self.alive.push(Arc::downgrade(cell));
    }

    /// Takes one out; the last of the list, which is returned, takes its place.
    fn remove(&mut self, cell: &Cell) -> Option<Arc<Cell>> {
        let place = cell.place.load(Ordering::Relaxed) as usize; // under the table's lock
        let here = |other: &Weak<Cell>| std::ptr::eq(other.as_ptr(), cell);
        self.alive.get(place).filter(|other| here(other))?;
        self.alive.swap_remove(place);
        let moved = self.alive.get(place).and_then(Weak::upgrade)?;
        moved.place.store(place as u32, Ordering::Relaxed);
        Some(moved)
    }

    /// Gives a name, unless an actor has it that has not ended, which is returned.
    fn name(
        &mut self,
        name: Name,
        claim: Arc<dyn Holder>,
        kept: bool,
    ) -> std::result::Result<(), RawRef> {
        let there = self.names.get(&name).and_then(|named| named.claim.upgrade()).map(RawRef);
        if let Some(other) = there.filter(|other| !is_over(other)) {
            return Err(other);
        }
        let weak = Arc::downgrade(&claim);
        self.names.insert(name, Named { claim: weak, _kept: kept.then_some(claim) });
        Ok(())
    }

    fn all(&self) -> Vec<Arc<Cell>> {
        self.alive.iter().filter_map(Weak::upgrade).collect()
    }
}

struct Named {
    /// What its handles hold.
    claim: Weak<dyn Holder>,
    /// Of a detached actor, which nobody's handle keeps alive.
    _kept: Option<Arc<dyn Holder>>,
}

/// Whether what handles hold stands for an actor that has ended.
fn is_over(claim: &RawRef) -> bool {
    match (claim.peek::<Claim>(), claim.peek::<Placed>()) {
        (Some(claim), _) => claim.cell().is_ended(),
        (_, Some(placed)) => placed.is_ended(),
        _ => false,
    }
}

impl Actors {
    /// Those that live here and have not ended.
    pub(super) fn all(&self) -> Vec<Arc<Cell>> {
        self.state.lock().all()
    }

    /// Actors that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().alive.len()
    }

    /// The actor of that name, if its home is this node.
    pub(super) fn find(&self, name: &Name) -> Option<RawRef> {
        let claim = self.state.lock().names.get(name).and_then(|named| named.claim.upgrade());
        claim.map(RawRef).filter(|claim| !is_over(claim))
    }

    /// What is known of those that have ended, the last first.
    pub(super) fn dead(&self) -> Vec<ActorState> {
        self.dead.lock().iter().rev().cloned().collect()
    }

    /// Those of this node that the cluster has placed, or is to place.
    pub(super) fn all_placed(&self) -> Vec<Arc<Placed>> {
        self.state.lock().placed.iter().filter_map(Weak::upgrade).collect()
    }

    /// Keeps what is known of one that has ended, if this node is to tell it.
    pub(super) fn bury(&self, row: Option<ActorState>) {
        let Some(row) = row else { return };
        let mut dead = self.dead.lock();
        if dead.len() >= DEAD_ACTORS_KEPT_MAX {
            dead.pop_front();
        }
        dead.push_back(row);
    }

    /// The actor has ended.
    pub(crate) fn forget(&self, node: &Arc<Node>, cell: &Cell) {
        self.bury(Some(cell.row()));
        let moved = self.state.lock().remove(cell);
        drop(moved); // it may be the last claim
        if let Some(name) = name_of(&cell.options) {
            self.free(node, name, &cell.claim());
        }
    }

    /// One that the cluster has placed has ended.
    pub(super) fn release(&self, node: &Arc<Node>, placed: &Placed) {
        if let Some(name) = placed.name() {
            self.free(node, name, &placed.weak());
        }
    }

    /// The name is free, if it is that of the actor whose handles hold this.
    fn free(&self, node: &Arc<Node>, name: Name, claim: &Weak<dyn Holder>) {
        let freed = {
            let mut table = self.state.lock();
            let own = |named: &Named| std::ptr::addr_eq(named.claim.as_ptr(), claim.as_ptr());
            let named = table.names.get(&name).is_some_and(own);
            if named { table.names.remove(&name) } else { None }
        };
        let was_free = freed.is_none();
        drop(freed); // it may be the last claim
        if !was_free {
            names::free(node, name);
        }
    }

    /// Has those that run something at their end do so, within this time.
    pub(crate) fn retire(&self, node: &Arc<Node>, grace: Duration) {
        let mut all = self.state.lock().all();
        all.retain(|cell| cell.on_stop.is_some());
        let ends: Vec<_> = all.iter().map(|cell| cell.ended(|| slots::open(node.id))).collect();
        all.iter().for_each(|cell| cell.retire(node));
        let deadline = clock::now().checked_add(grace);
        let ends: Vec<&RawRef> = ends.iter().collect();
        if fetch::wait(&ends, Goal::Some(ends.len()), deadline).is_err() {
            tracing::warn!(?grace, "some actors have not come to their end in time");
        }
    }

    /// Ends all of them.
    pub(crate) fn close(&self, node: &Arc<Node>) {
        let (alive, placed) = {
            let mut table = self.state.lock();
            (table.all(), std::mem::take(&mut table.placed))
        };
        for placed in placed.iter().filter_map(Weak::upgrade) {
            placed.close(node);
        }
        for cell in alive {
            let text = format!("{} ended: its node was closed", cell.label());
            cell.end(Error::new(ErrorKind::ActorDied, text));
        }
        let names = std::mem::take(&mut self.state.lock().names);
        drop(names);
    }

    /// Enters an actor, unless its name is taken.
    pub(super) fn enter(&self, claim: &Arc<Claim>) -> std::result::Result<(), RawRef> {
        let options = &claim.cell().options;
        let mut table = self.state.lock();
        if let Some(name) = name_of(options) {
            table.name(name, Arc::clone(claim) as Arc<dyn Holder>, options.detached)?;
        }
        table.add(claim.cell());
        Ok(())
    }

    /// The same for one that the cluster is to place.
    pub(super) fn enter_placed(&self, placed: &Arc<Placed>) -> std::result::Result<(), RawRef> {
        let mut table = self.state.lock();
        if let Some(name) = placed.name() {
            table.name(name, Arc::clone(placed) as Arc<dyn Holder>, placed.is_kept())?;
        }
        if table.placed.len() == table.placed.capacity() {
            table.placed.retain(|placed| placed.strong_count() > 0);
        }
        table.placed.push(Arc::downgrade(placed));
        Ok(())
    }
}

/// The options of a call of a method: its own over those of the method, and the actor's number of
/// further attempts where neither says one.
pub(super) fn call_options(
    actor: &ActorOptions,
    method: &Function,
    own: Option<Box<CallOptions>>,
) -> Option<Box<CallOptions>> {
    if own.is_none() && actor.max_retries == 0 {
        return None;
    }
    let own = own.map_or(CallOptions::of_call(), |own| *own);
    let mut whole = own.over(&method.defaults);
    if !whole.own_retries && whole.max_retries == 0 {
        whole.max_retries = actor.max_retries;
    }
    Some(Box::new(whole))
}

/// Calls a method. There is always a task: what cannot be called has failed.
pub(crate) fn call(
    cell: &Arc<Cell>,
    method: &'static Function,
    options: Option<Box<CallOptions>>,
    inputs: Inputs,
    mut made: impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    let options = call_options(&cell.options, method, options);
    let mut given = Some((options, inputs));
    let mut submit = |node: &Arc<Node>| {
        let (options, inputs) = given.take().unwrap_or_default();
        let mailbox = Arc::clone(cell) as Arc<dyn Mailbox>;
        node.submit(method, options, inputs, Some(mailbox), &mut made)
    };
    // Nearly always the caller's node is the actor's.
    let here = current::with_node(|node| (node.id == cell.id.node).then(|| submit(node)));
    if let Ok(Some(task)) = here {
        return task;
    }
    match cell.node() {
        Some(node) => submit(&node),
        None => {
            let error = cell.died("ended: its node was closed");
            submit::refused(cell.id.node, method, None, error, &mut made)
        }
    }
}

//! The actors of a node: who has a name, who is alive, and what a handle is.

use super::address::birth_of;
use super::cell::{ActorType, Cell, Options};
use super::fetch::{self, Goal};
use super::life::Charge;
use super::task::{Mailbox, Task};
use super::{Node, current, slots, submit};
use crate::actor::options::ActorOptions;
use crate::base::{ObjectId, TaskId};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef, Stage};
use crate::object::slot::Slot;
use crate::task::arg::Inputs;
use crate::task::function::Function;
use crate::task::options::Options as CallOptions;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What stands behind the handles of one actor: they are claims to it as references are to objects,
/// and with the last one the actor ends.
pub(crate) struct Claim {
    slot: Slot,
    cell: Arc<Cell>,
}

impl Holder for Claim {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.cell.close();
    }
}

impl Claim {
    pub(crate) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }
}

/// All actors of a node.
#[derive(Default)]
pub(crate) struct Actors {
    state: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Each knows its place in this list.
    alive: Vec<Weak<Cell>>,
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

    fn all(&self) -> Vec<Arc<Cell>> {
        self.alive.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Namespace and name.
type Name = (String, String);

struct Named {
    claim: Weak<Claim>,
    /// Of a detached actor, which nobody's handle keeps alive.
    _kept: Option<Arc<Claim>>,
}

/// Where names are that were given no namespace.
const NAMESPACE: &str = "default";

fn name_of(options: &ActorOptions) -> Option<Name> {
    let name = options.name.as_deref()?;
    let namespace = options.namespace.as_deref().unwrap_or(NAMESPACE);
    Some((namespace.to_owned(), name.to_owned()))
}

impl Actors {
    /// Actors that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().alive.len()
    }

    /// The actor of that name.
    pub(crate) fn find(&self, namespace: Option<&str>, name: &str) -> Result<Arc<Claim>> {
        let key = (namespace.unwrap_or(NAMESPACE).to_owned(), name.to_owned());
        let found = self.state.lock().names.get(&key).and_then(|named| named.claim.upgrade());
        found.filter(|claim| !claim.cell.is_ended()).ok_or_else(|| {
            let text = format!("there is no actor named `{name}` in the namespace `{}`", key.0);
            Error::new(ErrorKind::ActorNotFound, text)
        })
    }

    /// The actor has ended: its name is free.
    pub(crate) fn forget(&self, cell: &Cell) {
        let gone = {
            let mut table = self.state.lock();
            let moved = table.remove(cell);
            let name = name_of(&cell.options);
            let own =
                |named: &Named| named.claim.upgrade().is_none_or(|claim| claim.cell.id == cell.id);
            let named = name.filter(|name| table.names.get(name).is_some_and(own));
            (moved, named.and_then(|name| table.names.remove(&name)))
        };
        drop(gone); // it may be the last claim
    }

    /// Has those that run something at their end do so, within this time.
    pub(crate) fn retire(&self, node: &Arc<Node>, grace: Duration) {
        let mut all = self.state.lock().all();
        all.retain(|cell| cell.on_stop.is_some());
        let ends: Vec<_> = all.iter().map(|cell| cell.ended(|| slots::open(node.id))).collect();
        all.iter().for_each(|cell| cell.retire(node));
        let deadline = Instant::now().checked_add(grace);
        let ends: Vec<&RawRef> = ends.iter().collect();
        if fetch::wait(&ends, Goal::Some(ends.len()), deadline).is_err() {
            tracing::warn!(?grace, "some actors have not come to their end in time");
        }
    }

    /// Ends all of them.
    pub(crate) fn close(&self) {
        let alive = self.state.lock().all();
        for cell in alive {
            let text = format!("{} ended: its node was closed", cell.label());
            cell.end(Error::new(ErrorKind::ActorDied, text));
        }
        let names = std::mem::take(&mut self.state.lock().names);
        drop(names);
    }

    /// Enters an actor, unless its name is taken.
    fn enter(&self, claim: &Arc<Claim>) -> std::result::Result<(), Arc<Claim>> {
        let options = &claim.cell.options;
        let mut table = self.state.lock();
        if let Some(name) = name_of(options) {
            let there = table.names.get(&name).and_then(|named| named.claim.upgrade());
            if let Some(other) = there.filter(|other| !other.cell.is_ended()) {
                return Err(other);
            }
            let kept = options.detached.then(|| Arc::clone(claim));
            table.names.insert(name, Named { claim: Arc::downgrade(claim), _kept: kept });
        }
        table.add(&claim.cell);
        Ok(())
    }
}

/// Makes an actor and calls its constructor. `get_if_exists` gives the one that has its name.
pub(crate) fn create(
    node: &Arc<Node>,
    kind: ActorType,
    options: Options,
    mut inputs: Inputs,
) -> Result<Arc<Claim>> {
    if node.is_closed() {
        return Err(node.closed_error());
    }
    if options.detached && options.name.is_none() {
        let text = "a detached actor needs a name, or nobody could ever find it again";
        return Err(Error::new(ErrorKind::Config, text));
    }
    let get_if_exists = options.get_if_exists;
    let comes_back = options.max_restarts > 0 || options.supervisor.is_some();
    let birth = birth_of((kind.constructor.path)());
    let (after, legacy) = birth.map_or((None, None), |birth| (birth.after, Some(birth.legacy)));
    if let Some(after) = after {
        inputs = inputs.and_after(after);
    }
    let claim = Arc::new_cyclic(|claim: &Weak<Claim>| {
        let claim = Weak::clone(claim) as Weak<dyn Holder>;
        let cell = Cell::new(node, kind, options, legacy, claim);
        let task = TaskId { node: node.id, sequence: cell.id.sequence };
        let id = task.result(ObjectId::ACTOR);
        Claim { slot: Slot::new(id, node.ledger), cell }
    });
    let cell = Arc::clone(&claim.cell);
    cell.take_desk(node)?;
    if let Err(other) = node.actors.enter(&claim) {
        if get_if_exists {
            return Ok(other);
        }
        let text = format!("{} is there already", other.cell.label());
        return Err(Error::new(ErrorKind::AlreadyRunning, text));
    }
    if let Some(supervisor) = &cell.options.supervisor {
        supervisor.0.joined(Arc::new(Charge(Arc::clone(&cell))));
    }
    let kept = if comes_back { inputs.clone() } else { Inputs::None };
    let mailbox = Arc::clone(&cell) as Arc<dyn Mailbox>;
    let mut kept = Some(kept);
    let creation = node.submit(
        kind.constructor,
        cell.creation_options(),
        inputs,
        Some(mailbox),
        &mut |task| {
            cell.begins(task, kept.take().unwrap_or_default());
        },
    );
    if let Some(error) = creation.failure() {
        // It was refused, and nobody else has told the actor.
        cell.core.lock().rare().stillborn = Some(error.clone());
        cell.end(cell.died(&format!("could not start: {error}")));
    }
    Ok(claim)
}

/// Calls a method. There is always a task: what cannot be called has failed.
pub(crate) fn call(
    cell: &Arc<Cell>,
    method: &'static Function,
    options: Option<Box<CallOptions>>,
    inputs: Inputs,
    mut made: impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    let options = match options {
        None if cell.options.max_retries == 0 => None,
        given => {
            let own = given.map_or(CallOptions::of_call(), |own| *own);
            let mut whole = own.over(&method.defaults);
            if !whole.own_retries && whole.max_retries == 0 {
                whole.max_retries = cell.options.max_retries;
            }
            Some(Box::new(whole))
        }
    };
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

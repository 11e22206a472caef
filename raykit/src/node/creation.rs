//! How an actor comes to be: here, or, in a cluster, wherever there is room.

use super::Node;
use super::address::{Birth, birth_of};
use super::cell::{Cell, Options};
use super::claim::Claim;
use super::cluster::Cluster;
use super::life::Charge;
use super::names::{self, Claimed};
use super::placed::Placed;
use super::plan::Plan;
use super::question::name_of;
use super::task::Mailbox;
use crate::actor::options::ActorOptions;
use crate::base::quantity::Amount;
use crate::base::{ObjectId, Strategy, TaskId};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef};
use crate::object::slot::Slot;
use crate::task::arg::Inputs;
use crate::task::function::Function;
use crate::task::options::Options as CallOptions;
use std::sync::{Arc, Weak};

/// Makes an actor and has its constructor called. `get_if_exists` gives the one that has its name.
pub(crate) fn create(
    node: &Arc<Node>,
    constructor: &'static Function,
    options: Option<ActorOptions>,
    inputs: Inputs,
) -> Result<RawRef> {
    if node.is_closed() {
        return Err(node.closed_error());
    }
    let options = match (options, constructor.actor) {
        (Some(own), _) => Options::Own(Box::new(own)),
        (None, Some(kind)) => Options::Defaults(kind().defaults),
        (None, None) => Options::Own(Box::default()),
    };
    if options.detached && options.name.is_none() {
        let text = "a detached actor needs a name, or nobody could ever find it again";
        return Err(Error::new(ErrorKind::Config, text));
    }
    if let Strategy::Group { group, bundle } = options.strategy {
        node.fits_group(&CallOptions::of_actor(&options), group, bundle)?;
    }
    CallOptions::of_actor(&options).needs()?;
    let birth = birth_of((constructor.path)());
    // What belongs together, or takes another one's place, stays together.
    let bound = birth.is_some() || options.supervisor.is_some();
    let cluster = node.cluster.get().filter(|cluster| !bound && cluster.lost().is_none());
    let Some(cluster) = cluster else {
        return create_here(node, constructor, options, inputs, birth).map(Made::handle);
    };
    // It outlives this node.
    let by_head = options.detached && cluster.head() != node.id;
    let name = name_of(&options);
    if let Some(name) = &name {
        let home = if by_head { cluster.head() } else { node.id };
        match names::claim(node, cluster, name, home)? {
            Claimed::Ours => {}
            // It is looked for once more, by its type.
            Claimed::Taken(_) if options.get_if_exists => {
                let (space, own) = (options.namespace.as_deref(), name.1.as_str());
                return names::find(node, space, own, (constructor.path)());
            }
            Claimed::Taken(actor) => return Err(taken(&name.1, &actor)),
        }
    }
    let made = create_somewhere(node, cluster, constructor, options, inputs, by_head);
    // Only a new actor frees the name, when it ends.
    if !matches!(made, Ok(Made::New(_)))
        && let Some(name) = name.filter(|_| !by_head)
    {
        names::free(node, name);
    }
    made.map(Made::handle)
}

/// What came of the wish for an actor.
enum Made {
    New(RawRef),
    /// One that had the name.
    There(RawRef),
}

impl Made {
    fn handle(self) -> RawRef {
        match self {
            Made::New(actor) | Made::There(actor) => actor,
        }
    }
}

fn taken(name: &str, actor: &RawRef) -> Error {
    let id = super::far::actor_of(actor.id());
    Error::new(ErrorKind::AlreadyRunning, format!("an actor named `{name}` is there already: {id}"))
}

/// Another actor has the name that was asked for.
fn there(asked: &ActorOptions, other: RawRef, constructor: &Function) -> Result<Made> {
    let name = asked.name.as_deref().unwrap_or_default();
    match asked.get_if_exists {
        true => names::of_type(other, name, (constructor.path)()).map(Made::There),
        false => Err(taken(name, &other)),
    }
}

/// The same for one whose name is its own.
fn create_somewhere(
    node: &Arc<Node>,
    cluster: &Arc<Cluster>,
    constructor: &'static Function,
    options: Options,
    inputs: Inputs,
    by_head: bool,
) -> Result<Made> {
    if !by_head && !goes_away(node, cluster, constructor, &options) {
        return create_here(node, constructor, options, inputs, None);
    }
    let options = ActorOptions::clone(&options);
    let placed = Placed::new(node, constructor, options, inputs, by_head);
    if let Err(other) = node.actors.enter_placed(&placed) {
        return there(&placed.options, other, constructor);
    }
    placed.make(node);
    Ok(Made::New(RawRef(placed as Arc<dyn Holder>)))
}

/// Whether an actor may be made on another node than this one.
fn goes_away(
    node: &Node,
    cluster: &Cluster,
    constructor: &Function,
    options: &ActorOptions,
) -> bool {
    let total = node.pool.budget().total();
    if !options.labels.is_empty() {
        return true;
    }
    match options.strategy {
        Strategy::Spread | Strategy::Group { .. } => true,
        Strategy::Node { node: there, soft } => {
            there != node.id
                && (!soft || cluster.members().iter().any(|member| member.node == there))
        }
        Strategy::Default => {
            // A node without CPUs is there to give work to others; raykit's own small actors stay
            // with whoever makes them.
            let own = (constructor.path)().starts_with("raykit::kit::");
            let asked = CallOptions::of_actor(options);
            let idle = total.cpu == Amount::ZERO && !own;
            idle || asked.request().is_ok_and(|want| want.lacking(total).is_some())
        }
    }
}

/// Makes an actor on this node.
fn create_here(
    node: &Arc<Node>,
    constructor: &'static Function,
    options: Options,
    mut inputs: Inputs,
    birth: Option<Birth>,
) -> Result<Made> {
    let comes_back = options.max_restarts > 0 || options.supervisor.is_some();
    let (after, legacy) = birth.map_or((None, None), |birth| (birth.after, Some(birth.legacy)));
    if let Some(after) = after {
        inputs = inputs.and_after(after);
    }
    let claim = Arc::new_cyclic(|claim: &Weak<Claim>| {
        let claim = Weak::clone(claim) as Weak<dyn Holder>;
        let cell = Cell::new(node, constructor, options, legacy, claim);
        let task = TaskId { node: node.id, sequence: cell.id.sequence };
        Claim::new(Slot::new(task.result(ObjectId::ACTOR), node.ledger), cell)
    });
    let cell = Arc::clone(claim.cell());
    cell.take_desk(node)?;
    if let Err(other) = node.actors.enter(&claim) {
        return there(&cell.options, other, constructor);
    }
    if let Some(supervisor) = &cell.options.supervisor {
        supervisor.0.joined(Arc::new(Charge(Arc::clone(&cell))));
    }
    let mut kept = Some(if comes_back { inputs.clone() } else { Inputs::None });
    let mailbox = Arc::clone(&cell) as Arc<dyn Mailbox>;
    let creation =
        node.submit(constructor, cell.creation_options(), inputs, Some(mailbox), &mut |task| {
            cell.begins(task, kept.take().unwrap_or_default());
        });
    // One that has failed since has told the actor by itself.
    let refused = creation.mailbox.is_none();
    if let Some(error) = creation.failure().filter(|_| refused) {
        cell.core.lock().rare().stillborn = Some(error.clone());
        cell.end(cell.died(&format!("could not start: {error}")));
    }
    Ok(Made::New(RawRef(claim as Arc<dyn Holder>)))
}

impl Node {
    /// Makes an actor that another node wants, or that this one has offered to the cluster.
    pub(super) fn make_for(self: &Arc<Node>, plan: Plan, inputs: Inputs) -> Result<RawRef> {
        let Plan { constructor, mut options, by_head } = plan;
        if !by_head {
            let options = Options::Own(Box::new(options));
            return create_here(self, constructor, options, inputs, None).map(Made::handle);
        }
        (options.known_as, options.lost_before) = (None, 0);
        let cluster = self.cluster.get();
        let cluster = cluster.ok_or_else(|| Error::new(ErrorKind::ClusterLost, "no cluster"))?;
        let name = name_of(&options);
        let options = Options::Own(Box::new(options));
        let made = create_somewhere(self, cluster, constructor, options, inputs, false);
        // Each of those that ask for it at once is given the name; one of them uses it.
        if let (Some(name), false) = (name, matches!(made, Ok(Made::New(_)))) {
            names::free(self, name);
        }
        made.map(Made::handle)
    }
}

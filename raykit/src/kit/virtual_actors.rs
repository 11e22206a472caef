//! `VirtualActors`: actors by their keys, there when they are called.

use crate::actor::state::{Heir, Legacy};
use crate::api::actor::Handle;
use crate::base::maps::HashMap;
use crate::base::quiet::quietly;
use crate::node::address::{Address, Birth, Home, with_birth};
use crate::node::claim::Claim;
use crate::node::fetch::{self, Goal};
use crate::node::run::caught;
use crate::node::{Node, current, slots};
use crate::object::raw::{Holder, RawRef};
use crate::object::value::{Payload, Value};
use crate::object::{Error, ErrorKind, ObjectRef, Result};
use parking_lot::Mutex;
use std::any::type_name;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// For how long an actor has to be idle before it goes, unless it is told otherwise.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// Actors that are addressed by a key and need not be there: the first call of a key makes its
/// actor, and one that has been idle for a while ends, until it is called again. As the grains of
/// Microsoft Orleans, where the idea comes from.
///
/// [`get`](VirtualActors::get) gives an ordinary handle, at once and without an actor. However many
/// handles of a key there are, and whoever calls at the same time, there is one actor: the next one
/// begins when the one before has ended. One that has died is made anew by the next call.
///
/// What an actor has in memory goes with it, unless its struct has the option `checkpoint_every`:
/// then its state is kept when it goes, and the next one of its key begins with that instead of
/// with its constructor. (After a crash or a `kill` it is the state as it was kept last.) Where the
/// state should outlive the program, let the constructor read it and
/// [`on_stop`](crate::_docs::actors) write it.
///
/// ```
/// use raykit::{VirtualActors, prelude::*};
///
/// #[object]
/// #[remote(checkpoint_every = 0)]
/// struct Account {
///     owner: String,
///     cents: i64,
/// }
///
/// #[remote]
/// impl Account {
///     pub fn new(owner: String) -> Self {
///         Account { owner, cents: 0 }
///     }
///     pub fn pay(&mut self, cents: i64) -> i64 {
///         self.cents += cents;
///         self.cents
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let accounts = VirtualActors::new(|owner: &String| Account::remote(owner));
/// let ada: AccountHandle = accounts.get("ada"); // no actor yet
/// assert_eq!(ada.pay(5).get()?, 5); //             now there is one
/// assert_eq!(accounts.get("ada"), ada);
/// accounts.passivate("ada"); //                    as if it had been idle for long
/// assert_eq!(ada.pay(5).get()?, 10); //            the next one goes on from there
/// # Ok(())
/// # }
/// ```
pub struct VirtualActors<K, H: Handle> {
    table: Arc<Table<K, H>>,
}

impl<K, H: Handle> Clone for VirtualActors<K, H> {
    fn clone(&self) -> Self {
        VirtualActors { table: Arc::clone(&self.table) }
    }
}

/// How an actor of a key is made.
type Make<K, H> = dyn Fn(&K) -> H + Send + Sync;

struct Table<K, H> {
    make: Arc<Make<K, H>>,
    state: Mutex<State<K, H>>,
}

struct State<K, H> {
    places: HashMap<K, Entry<K, H>>,
    idle_after: Duration,
    /// Whether somebody will look for idle actors.
    alarm: bool,
}

struct Entry<K, H> {
    address: Arc<Address>,
    place: Arc<Place<K, H>>,
}

/// Where the actor of one key is, if it is there.
struct Place<K, H> {
    key: K,
    make: Arc<Make<K, H>>,
    table: Weak<Table<K, H>>,
    now: Arc<Mutex<Now>>,
}

/// With the last handle, and the table, the actor goes too. It is its own heir's owner, so nothing
/// else would end it.
impl<K, H> Drop for Place<K, H> {
    fn drop(&mut self) {
        let gone = self.now.lock().active.take();
        drop(gone);
    }
}

#[derive(Default)]
struct Now {
    /// A claim to the actor, until it is found idle.
    active: Option<RawRef>,
    /// The same without keeping it: somebody else may.
    weak: Option<Weak<dyn Holder>>,
    /// There when the last actor of the key is gone.
    gone: Option<RawRef>,
    /// What the last one has kept of its state.
    kept: Option<Value>,
    /// Who is making one, and an object that is there when it is made.
    making: Option<(ThreadId, RawRef)>,
    /// What was seen of it when one looked last.
    seen: Option<u32>,
}

impl Now {
    /// Whether nothing would be lost if the place were forgotten.
    fn is_empty(&self) -> bool {
        let gone = self.gone.as_ref().is_none_or(RawRef::is_ready);
        self.active.is_none() && self.making.is_none() && self.kept.is_none() && gone
    }
}

impl<K, H> VirtualActors<K, H>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    H: Handle,
{
    /// Actors that are made by `make`, which is told the key. It is called for one key by one
    /// thread at a time, and must not call the actor of that key.
    pub fn new(make: impl Fn(&K) -> H + Send + Sync + 'static) -> VirtualActors<K, H> {
        let state = State { places: HashMap::default(), idle_after: IDLE_AFTER, alarm: false };
        VirtualActors { table: Arc::new(Table { make: Arc::new(make), state: Mutex::new(state) }) }
    }

    /// How long an actor has to be idle before it goes: a minute unless said otherwise. It goes
    /// within twice that time.
    pub fn idle_after(self, pause: Duration) -> Self {
        self.table.state.lock().idle_after = pause;
        self
    }

    /// A handle of the actor with this key, whether it is there or not. Handles of equal keys are
    /// equal. `id`, `is_alive`, `restarts`, `stop`, `kill` and `ended` of such a handle are of the
    /// actor that is there now, if one is.
    pub fn get(&self, key: impl Into<K>) -> H {
        let key = key.into();
        let mut state = self.table.state.lock();
        let entry = state.places.entry(key).or_insert_with_key(|key| {
            let place = Arc::new(Place {
                key: key.clone(),
                make: Arc::clone(&self.table.make),
                table: Arc::downgrade(&self.table),
                now: Arc::default(),
            });
            let address = Address::new(slots::sealed(), Arc::clone(&place) as Arc<dyn Home>);
            Entry { address, place }
        });
        let address = Arc::clone(&entry.address);
        drop(state);
        H::__new(ObjectRef::new(RawRef(address as Arc<dyn Holder>)))
    }

    /// How many actors are there.
    pub fn active(&self) -> usize {
        let places = self.table.places();
        places.iter().filter(|place| place.now.lock().active.is_some()).count()
    }

    /// Lets the actor of this key go as soon as it has done what it was called for, without waiting
    /// until it was idle for long. `false` if it was not there.
    pub fn passivate(&self, key: impl Into<K>) -> bool {
        let place = {
            let state = self.table.state.lock();
            state.places.get(&key.into()).map(|entry| Arc::clone(&entry.place))
        };
        let gone = place.and_then(|place| place.now.lock().active.take());
        gone.is_some()
    }
}

impl<K, H: Handle> fmt::Debug for VirtualActors<K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualActors<{}>", type_name::<H::Actor>())
    }
}

/// The state that an actor has kept goes to the next one of its key, which begins when the actor is
/// gone.
struct Next {
    now: Arc<Mutex<Now>>,
    gone: RawRef,
}

impl Heir for Next {
    fn bequeath(&self, kept: Value) {
        let before = self.now.lock().kept.replace(kept);
        quietly(|| drop(before));
    }

    fn inherit(&self) -> Option<Value> {
        self.now.lock().kept.clone()
    }

    fn gone(&self) {
        fill(&self.gone);
    }
}

impl<K, H> Home for Place<K, H>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    H: Handle,
{
    fn activate(&self) -> Result<RawRef> {
        loop {
            if let Some(present) = self.present() {
                return Ok(present);
            }
            match self.begin()? {
                Some(made) => fetch::wait(&[&made], Goal::All, None)?,
                None => break,
            }
        }
        let _making = Making(&self.now);
        // Another one may have been made before this thread was the one to do it.
        self.present().map_or_else(|| self.make(), Ok)
    }

    fn present(&self) -> Option<RawRef> {
        let (active, weak) = {
            let now = self.now.lock();
            (now.active.clone(), now.weak.clone())
        };
        let held = active.is_some();
        let claim = active.or_else(|| weak?.upgrade().map(RawRef))?;
        if !claim.peek::<Claim>().is_some_and(|claim| claim.cell().is_open()) {
            return None;
        }
        if !held {
            let before = self.now.lock().active.replace(claim.clone());
            drop(before);
        }
        Some(claim)
    }
}

/// Who waits for this goes on.
fn fill(reference: &RawRef) {
    reference.seal(Ok(Payload::new(Value::new(()))));
}

/// Who waits for the actor that is being made goes on when this is dropped, be it after a panic.
struct Making<'a>(&'a Mutex<Now>);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let made = self.0.lock().making.take();
        made.iter().for_each(|(_, made)| fill(made));
    }
}

impl<K, H> Place<K, H>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    H: Handle,
{
    /// From now on this thread makes the actor, unless another one does: then what is there when it
    /// has.
    fn begin(&self) -> Result<Option<RawRef>> {
        let made = slots::open(current::with_node(|node| node.id)?);
        let mut now = self.now.lock();
        match &now.making {
            None => {
                now.making = Some((thread::current().id(), made));
                Ok(None)
            }
            Some((thread, _)) if *thread == thread::current().id() => {
                let text = "the function that makes a virtual actor calls that very actor";
                Err(Error::new(ErrorKind::Deadlock, text))
            }
            Some((_, made)) => Ok(Some(made.clone())),
        }
    }

    /// Makes the actor; nobody else does meanwhile.
    fn make(&self) -> Result<RawRef> {
        let gone = slots::open(current::with_node(|node| node.id)?);
        let before = self.now.lock().gone.replace(gone.clone());
        let after = before.filter(|before| !before.is_ready());
        let legacy = Arc::new(Legacy(Arc::new(Next { now: Arc::clone(&self.now), gone })));
        let birth = Birth { type_name: type_name::<H::Actor>(), after, legacy };
        let handle = caught(|| Ok(with_birth(birth, || (self.make)(&self.key))))?;
        let made = handle.__actor().0.clone();
        if made.peek::<Claim>().is_none() {
            return Err(match made.outcome() {
                Some(Err(error)) => error.clone(),
                _ => Error::new(ErrorKind::Config, "a virtual actor is not made of another one"),
            });
        }
        let before = {
            let mut now = self.now.lock();
            now.seen = None;
            now.weak = Some(Arc::downgrade(&made.0));
            now.active.replace(made.clone())
        };
        drop(before);
        if let Some(table) = self.table.upgrade() {
            table.watch_idle();
        }
        Ok(made)
    }

    /// Lets go of the actor if it was idle all the time since one looked last, or has ended.
    fn let_go_if_idle(&self) {
        let active = self.now.lock().active.clone();
        let Some(claim) = active.as_ref().and_then(|active| active.peek::<Claim>()) else { return };
        let (open, (idle, posted)) = (claim.cell().is_open(), claim.cell().activity());
        let gone = {
            let mut now = self.now.lock();
            let goes = !open || (idle && now.seen == Some(posted));
            now.seen = idle.then_some(posted);
            if goes { now.active.take() } else { None }
        };
        drop((gone, active));
    }
}

impl<K, H> Table<K, H> {
    fn places(&self) -> Vec<Arc<Place<K, H>>> {
        let state = self.state.lock();
        state.places.values().map(|entry| Arc::clone(&entry.place)).collect()
    }
}

impl<K, H> Table<K, H>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    H: Handle,
{
    /// Sees that actors go when they are idle.
    fn watch_idle(self: &Arc<Self>) {
        let after = {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.alarm, true) {
                return;
            }
            state.idle_after
        };
        if let Ok(node) = current::node() {
            let (table, node) = (Arc::downgrade(self), Arc::downgrade(&node));
            Arc::new(Sweep { table, node }).later(after);
        }
    }

    /// Lets go of actors that were idle, and forgets places where nothing is. Says when to look
    /// again.
    fn sweep(&self) -> Option<Duration> {
        self.places().iter().for_each(|place| place.let_go_if_idle());
        let (gone, again) = {
            let mut state = self.state.lock();
            // Where nobody has a handle beside the table, and nobody can get one meanwhile.
            let unheld = |entry: &Entry<K, H>| Arc::strong_count(&entry.address) == 1;
            let empty = |entry: &Entry<K, H>| unheld(entry) && entry.place.now.lock().is_empty();
            let gone: Vec<_> = state.places.extract_if(|_, entry| empty(entry)).collect();
            let busy = |entry: &Entry<K, H>| {
                let now = entry.place.now.lock();
                now.active.is_some() || (unheld(entry) && now.kept.is_none())
            };
            state.alarm = state.places.values().any(busy);
            (gone, state.alarm.then_some(state.idle_after))
        };
        drop(gone); // keys are the user's
        again
    }
}

/// Looks for idle actors now and then, while there are any.
struct Sweep<K, H> {
    table: Weak<Table<K, H>>,
    node: Weak<Node>,
}

impl<K, H> Sweep<K, H>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    H: Handle,
{
    fn later(self: Arc<Self>, after: Duration) {
        // Not all the time, however short the pause is meant to be.
        let after = after.max(Duration::from_millis(1));
        if let Some(node) = self.node.upgrade() {
            node.timer.wake(&node, after, Waker::from(self));
        }
    }
}

impl<K, H> Wake for Sweep<K, H>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    H: Handle,
{
    fn wake(self: Arc<Self>) {
        let again = self.table.upgrade().and_then(|table| table.sweep());
        if let Some(after) = again {
            self.later(after);
        }
    }
}

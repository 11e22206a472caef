//! Names of actors, and what nodes ask each other about them.

use crate::actor::options::ActorOptions;
use crate::base::NodeId;
use crate::base::maps::HashMap;
use crate::proto::wire::choice;
use parking_lot::Mutex;

/// Namespace and name of an actor.
pub(super) type Name = (String, String);

/// Where names are that were given no namespace.
const NAMESPACE: &str = "default";

pub(super) fn full_name(namespace: Option<&str>, name: &str) -> Name {
    (namespace.unwrap_or(NAMESPACE).to_owned(), name.to_owned())
}

/// The name that an actor with these options has here. One that lives here for another node has it
/// there.
pub(super) fn name_of(options: &ActorOptions) -> Option<Name> {
    let name = options.name.as_deref().filter(|_| options.known_as.is_none())?;
    Some(full_name(options.namespace.as_deref(), name))
}

#[derive(Clone)]
pub(super) enum Question {
    /// The head: may the actor of this node have the name?
    Claim { name: Name, home: NodeId },
    /// The head: the name is free.
    Free { name: Name },
    /// The head: who has the actor of that name?
    Home { name: Name },
    /// Who has it: a handle of it, if it is of that type.
    Named { name: Name, type_name: String },
}

choice!(Question {
    0 Claim { name, home },
    1 Free { name },
    2 Home { name },
    3 Named { name, type_name },
});

/// The head's table of names.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<Name, Entry>>);

struct Entry {
    home: NodeId,
    /// Who has asked for it, which for what the head is to keep is not its home.
    claimant: NodeId,
    /// How often it was given to that home, less how often that has freed it: the word that one
    /// actor has ended may come after the next one was given the name.
    grants: u32,
}

impl Names {
    /// Gives the name to that node's actor, unless another one has it, whose home is returned.
    /// `here`: its home is said to be the head, and that has it.
    pub(super) fn claim(
        &self,
        name: &Name,
        home: NodeId,
        claimant: NodeId,
        here: bool,
    ) -> Option<NodeId> {
        let mut names = self.0.lock();
        let there = names.get(name).map(|entry| entry.home);
        let other = there.filter(|there| *there != home).or(here.then_some(home));
        if other.is_none() {
            let entry = names.entry(name.clone()).or_insert(Entry { home, claimant, grants: 0 });
            (entry.claimant, entry.grants) = (claimant, entry.grants + 1);
        }
        other
    }

    pub(super) fn home(&self, name: &Name) -> Option<NodeId> {
        self.0.lock().get(name).map(|entry| entry.home)
    }

    pub(super) fn free(&self, name: &Name, home: NodeId) {
        let mut names = self.0.lock();
        let Some(entry) = names.get_mut(name).filter(|entry| entry.home == home) else { return };
        entry.grants -= 1;
        if entry.grants == 0 {
            names.remove(name);
        }
    }

    /// A node is gone, and with it the names of its actors. Those that it had asked for the head to
    /// keep.
    pub(super) fn gone(&self, gone: NodeId) -> Vec<Name> {
        let mut names = self.0.lock();
        names.retain(|_, entry| entry.home != gone);
        let asked = names.iter().filter(|(_, entry)| entry.claimant == gone);
        asked.map(|(name, _)| name.clone()).collect()
    }
}

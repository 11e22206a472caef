//! A node of its own, beside that of the process.

use crate::node::{Node as Core, current};
use crate::object::error::{Error, Result};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A node of its own, made by [`Config::start`](crate::Config::start). Closed when dropped.
#[must_use = "the node is closed when this is dropped"]
pub struct Node {
    pub(super) core: Arc<Core>,
}

impl Node {
    /// Puts the node in force on this thread until the returned guard is dropped.
    pub fn enter(&self) -> Entered<'_> {
        current::enter(Arc::clone(&self.core));
        Entered { _node: PhantomData }
    }

    /// The id of this node.
    pub fn id(&self) -> crate::NodeId {
        self.core.id
    }

    /// Closes the node.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShutDown`](crate::ErrorKind::ShutDown) naming the tasks that still run when the
    /// grace is over.
    pub fn shutdown(self) -> Result<()> {
        self.core.close()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.core.close() {
            complain(&error);
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.core.id)
    }
}

/// While it lives, a [`Node`] is in force on this thread. Guards end in the reverse of their order.
#[must_use = "the node is in force only while this lives"]
pub struct Entered<'a> {
    /// Tied to the node, and to this thread.
    _node: PhantomData<(&'a Node, *const ())>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        current::leave();
    }
}

/// A drop cannot return an error, and one that is lost would be a silent failure.
pub(super) fn complain(error: &Error) {
    tracing::error!(%error, "the node did not close cleanly");
    eprintln!("raykit: {error}");
}

//! Bytes that are on their way here from other nodes. A link may end and its node live on: what was
//! on its way then is asked for again when there is another link, as far as it has not come.

use super::cluster::Fetch;
use super::hands::{Hands, Road};
use super::post::Coming;
use super::swarm::{self, Incoming};
use crate::base::NodeId;
use crate::base::limits::FETCH_TRIES_MAX;
use crate::base::quiet::quietly;
use crate::object::buffer::Buffer;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::RawRef;

impl Hands {
    /// Bytes are about to be asked for. What is inside of them stays alive until they are here.
    pub(super) fn expect(&mut self, what: Fetch, from: NodeId, len: u64, refs: Vec<RawRef>) {
        let links = self.links_to(from);
        let new = Coming { from, len, refs, links, waits: false, tries: 1 };
        self.coming.insert(what, new);
    }

    pub(super) fn links_to(&self, node: NodeId) -> u64 {
        self.links.get(&node).copied().unwrap_or(0)
    }

    /// Whether bytes that have not come for this reason, but for those in `got`, will yet.
    pub(super) fn come_later(
        &mut self,
        what: Fetch,
        error: &Error,
        got: Option<Buffer>,
        road: &mut dyn Road,
    ) -> bool {
        let Some(coming) = self.coming.get_mut(&what) else { return false };
        // Of the dead nothing comes, and another reason stays one with another link.
        let lost = error.kind() == ErrorKind::Io && coming.tries < FETCH_TRIES_MAX;
        if !lost || self.machine.is_dead(coming.from) || self.cluster.lost().is_some() {
            return false;
        }
        if coming.waits {
            return true; // of several questions on a link each ends with it
        }
        (coming.waits, coming.tries) = (true, coming.tries + 1);
        let (from, len, links) = (coming.from, coming.len, coming.links);
        tracing::debug!(?what, node = %from, error = error.message(), "is fetched again");
        if let Fetch::Object(object) = what
            && let Some(got) = got
            && swarm::is_large(len)
            && let Ok(len) = usize::try_from(len)
        {
            self.incoming.entry(object).or_insert_with(|| Incoming::after(from, len, &got));
        }
        if links < self.links_to(from) {
            self.ask_again(what, road); // there has been another link since
        }
        true
    }

    /// There is a link to that node: what waits for one is asked for.
    pub(super) fn linked(&mut self, node: NodeId, road: &mut dyn Road) {
        *self.links.entry(node).or_default() += 1;
        self.reached(node, road);
        for what in self.coming_from(node, true) {
            self.ask_again(what, road);
        }
    }

    /// What comes from that node, or only what waits for a link to it.
    fn coming_from(&self, node: NodeId, waits: bool) -> Vec<Fetch> {
        let of_it = |coming: &Coming| coming.from == node && (coming.waits || !waits);
        let those = self.coming.iter().filter(|(_, coming)| of_it(coming));
        those.map(|(what, _)| *what).collect()
    }

    fn ask_again(&mut self, what: Fetch, road: &mut dyn Road) {
        if let Fetch::Object(object) = what
            && self.cluster.held(object).is_none()
        {
            // Nobody here wants it any more.
            self.incoming.remove(&object);
            let refs = self.coming.remove(&what).map(|coming| coming.refs);
            return quietly(|| drop(refs));
        }
        let Some(from) = self.coming.get(&what).map(|coming| coming.from) else { return };
        let links = self.links_to(from);
        if let Some(coming) = self.coming.get_mut(&what) {
            (coming.waits, coming.links) = (false, links);
        }
        match what {
            Fetch::Object(object) if self.incoming.contains_key(&object) => {
                self.resume(object, road);
            }
            _ => road.fetch(from, what),
        }
    }

    /// A node is gone: nothing more comes from it.
    pub(super) fn come_no_more(&mut self, node: NodeId, why: &str, road: &mut dyn Road) {
        self.links.remove(&node);
        for what in self.coming_from(node, false) {
            let error = Error::new(ErrorKind::NodeDied, format!("bytes from {node}: {why}"));
            self.fetched(what, Err(error), None, road);
        }
    }
}

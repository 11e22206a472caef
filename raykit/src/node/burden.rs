//! What other nodes have run here, in bytes: each of them has a budget, so that none can fill the
//! memory of another one with calls that wait. (SEC22)

use crate::base::NodeId;
use crate::base::limits::{BURDEN_BYTES_MIN, BURDEN_PART, CALL_BYTES};
use crate::base::maps::HashMap;
use crate::object::error::{Error, ErrorKind, Result};
use crate::proto::wire::LeaseId;

pub(super) struct Burden {
    /// For each node, in bytes.
    budget: usize,
    calls: HashMap<LeaseId, usize>,
    nodes: HashMap<NodeId, usize>,
}

impl Burden {
    /// On a node of so much memory.
    pub(super) fn of(memory: u64) -> Burden {
        Burden::new((memory / BURDEN_PART).max(BURDEN_BYTES_MIN))
    }

    fn new(budget: u64) -> Burden {
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        Burden { budget, calls: HashMap::default(), nodes: HashMap::default() }
    }

    /// A call that is written down in so many bytes is to run here.
    ///
    /// # Errors
    ///
    /// Its node has more here than it may have. Then it does not count.
    pub(super) fn take(&mut self, lease: LeaseId, len: usize) -> Result<()> {
        let (node, bytes) = (lease.task.node, len.saturating_add(CALL_BYTES));
        let all = self.nodes.get(&node).copied().unwrap_or(0);
        let more = all.saturating_add(bytes);
        if more > self.budget {
            let text = format!(
                "calls of {node} take {all} bytes on the node that was to run it, of the {} that one \
                 node may take there: call less before you wait for what you have called",
                self.budget
            );
            return Err(Error::new(ErrorKind::PendingCallsLimit, text));
        }
        self.nodes.insert(node, more);
        self.calls.insert(lease, bytes);
        Ok(())
    }

    /// It has run, or never will.
    pub(super) fn end(&mut self, lease: LeaseId) {
        let Some(bytes) = self.calls.remove(&lease) else { return };
        if let Some(all) = self.nodes.get_mut(&lease.task.node) {
            *all -= bytes;
            if *all == 0 {
                self.nodes.remove(&lease.task.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TaskId;

    fn lease(node: u32, sequence: u64) -> LeaseId {
        LeaseId { task: TaskId { node: NodeId(node), sequence }, attempt: 0 }
    }

    #[test]
    fn each_node_has_a_budget_of_its_own() {
        let mut burden = Burden::new(3 * (CALL_BYTES as u64 + 100));
        for sequence in 0..3 {
            assert!(burden.take(lease(1, sequence), 100).is_ok());
        }
        let refused = burden.take(lease(1, 3), 0).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PendingCallsLimit);
        assert!(refused.to_string().contains("n1"), "{refused}");
        assert!(burden.take(lease(2, 3), 100).is_ok(), "it is another one's");
        burden.end(lease(1, 3)); // was never taken
        burden.end(lease(1, 1));
        burden.end(lease(1, 1));
        assert!(burden.take(lease(1, 4), 100).is_ok() && burden.take(lease(1, 5), 0).is_err());
        for sequence in [0, 2, 4] {
            burden.end(lease(1, sequence));
        }
        burden.end(lease(2, 3));
        assert!(burden.nodes.is_empty() && burden.calls.is_empty());
        assert!(burden.take(lease(1, 6), usize::MAX).is_err());
    }
}

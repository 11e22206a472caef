//! Who makes trouble in a simulation while its job runs.

use super::hold::Cluster;
use super::time;
use crate::base::limits::{DEAD_MS, STACK_BYTES};
use crate::base::thread::{self, JoinHandle};
use crate::base::{NodeId, turns};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest cut: by far too short for a node to be taken for dead.
const CUT_MS_MAX: u64 = DEAD_MS / 4;

/// A thread that does things to the cluster now and then.
pub(super) struct Troubles {
    over: Arc<AtomicBool>,
    thread: JoinHandle,
}

impl Troubles {
    /// No more of it.
    pub(super) fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join();
    }
}

type Trouble = fn(&Cluster);

/// Begins what the simulation is to have of it.
pub(super) fn begin(
    cluster: &Arc<Cluster>,
    kill_every: Option<Duration>,
    cut_every: Option<Duration>,
) -> Vec<Troubles> {
    let kinds: [(Option<Duration>, Trouble); 2] = [(kill_every, kill), (cut_every, cut)];
    let wanted = kinds.into_iter().filter_map(|(every, act)| Some((every?, act)));
    let started = wanted.filter_map(|(every, act)| {
        let over = Arc::new(AtomicBool::new(false));
        let (is_over, cluster) = (Arc::clone(&over), Arc::clone(cluster));
        let work = move || {
            loop {
                time::sleep(about(every));
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                act(&cluster);
            }
        };
        let thread = thread::spawn("troubles".to_owned(), Some(STACK_BYTES), work).ok()?;
        Some(Troubles { over, thread })
    });
    started.collect()
}

fn draw() -> u64 {
    turns::draw().unwrap_or_default()
}

/// From nothing to twice as much.
fn about(time: Duration) -> Duration {
    time.mul_f64((draw() % 2_001) as f64 / 1_000.0)
}

fn one_of(nodes: &[NodeId]) -> Option<NodeId> {
    let at = usize::try_from(draw()).ok()?.checked_rem(nodes.len())?;
    nodes.get(at).copied()
}

fn kill(cluster: &Cluster) {
    let others: Vec<NodeId> =
        cluster.nodes().into_iter().filter(|node| *node != cluster.head()).collect();
    let Some(node) = one_of(&others) else { return };
    let machine = cluster.machine(node);
    cluster.kill(node);
    if let Some(Err(error)) = machine.map(|machine| cluster.start(machine)) {
        tracing::warn!(%error, "no other node comes in the place of one that was killed");
    }
}

fn cut(cluster: &Cluster) {
    let nodes = cluster.nodes();
    let (Some(a), Some(b)) = (one_of(&nodes), one_of(&nodes)) else { return };
    if draw().is_multiple_of(4) {
        return cluster.lose_link(a, b);
    }
    cluster.cut(a, b);
    time::sleep(Duration::from_millis(draw() % CUT_MS_MAX));
    cluster.heal(a, b);
}

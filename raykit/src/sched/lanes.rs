//! Lanes: the queues that all workers share, one for each job (the tree of tasks of one outside
//! thread or actor) and priority. A higher priority goes first; between lanes of one priority
//! workers take turns, so that a job of ten tasks is not behind one of a million.

use super::job::{Job, LaneId};
use super::queue::Queue;
use crate::base::sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering};

/// The queue of one job at one priority.
pub(crate) struct Lane {
    pub(crate) id: LaneId,
    pub(crate) priority: i32,
    job: u32,
    queue: Queue,
    /// The outside thread is gone, for all lanes of its job; each goes once it is empty.
    closed: Arc<AtomicBool>,
}

impl Lane {
    pub(crate) fn push(&self, job: Arc<dyn Job>) {
        self.queue.push(job);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn pop(&self) -> Option<Arc<dyn Job>> {
        self.queue.pop()
    }

    /// Takes one, and moves up to `limit` more to `local`, which gives them out in the order of
    /// their arrival.
    pub(crate) fn pop_batch(
        &self,
        local: &crossbeam_deque::Worker<Arc<dyn Job>>,
        limit: usize,
    ) -> Option<Arc<dyn Job>> {
        self.queue.pop_batch(limit, |job| local.push(job))
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// The lanes in the order in which workers look at them: priority first, then age.
pub(crate) type Row = Arc<[Arc<Lane>]>;

/// All lanes of a pool.
pub(crate) struct Lanes {
    row: Mutex<(Row, u32)>,
    /// Raised with every change of the row, so that workers keep a copy and look here only.
    version: AtomicUsize,
}

impl Lanes {
    pub(crate) fn new() -> Lanes {
        let common = Arc::new(Lane {
            id: LaneId(0),
            priority: 0,
            job: 0,
            queue: Queue::new(),
            closed: Arc::default(),
        });
        Lanes { row: Mutex::new((Arc::from([common]), 1)), version: AtomicUsize::new(1) }
    }

    pub(crate) fn version(&self) -> usize {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn row(&self) -> Row {
        Arc::clone(&self.row.lock().0)
    }

    /// A lane for a new job.
    pub(crate) fn open(&self) -> Arc<Lane> {
        let mut row = self.row.lock();
        let id = row.1;
        self.add(&mut row, id, 0, Arc::default())
    }

    /// The lane with this id; the common one if it is gone.
    pub(crate) fn get(&self, id: LaneId) -> Arc<Lane> {
        let row = self.row();
        let found = row.iter().find(|lane| lane.id == id).or_else(|| common(&row));
        Arc::clone(found.expect("the common lane is never removed"))
    }

    /// Queues `job` in its lane; in the common one if that is gone. Under the lock, so that the
    /// lane cannot go meanwhile.
    pub(crate) fn push(&self, job: Arc<dyn Job>) {
        let row = self.row.lock();
        let found = row.0.iter().find(|lane| lane.id == job.lane()).or_else(|| common(&row.0));
        found.expect("the common lane is never removed").push(job);
    }

    /// The lane of the same job at another priority.
    pub(crate) fn at_priority(&self, id: LaneId, priority: i32) -> Arc<Lane> {
        let lane = self.get(id);
        if lane.priority == priority {
            return lane;
        }
        let mut row = self.row.lock();
        let same = |other: &&Arc<Lane>| other.job == lane.job && other.priority == priority;
        match row.0.iter().find(same) {
            Some(found) => Arc::clone(found),
            None => self.add(&mut row, lane.job, priority, Arc::clone(&lane.closed)),
        }
    }

    fn add(
        &self,
        row: &mut (Row, u32),
        job: u32,
        priority: i32,
        closed: Arc<AtomicBool>,
    ) -> Arc<Lane> {
        let lane = Arc::new(Lane { id: LaneId(row.1), priority, job, queue: Queue::new(), closed });
        row.1 = row.1.wrapping_add(1).max(1);
        // Lanes whose thread is gone leave at the next change.
        let open = |lane: &&Arc<Lane>| {
            lane.id == LaneId(0) || !lane.closed.load(Ordering::Relaxed) || !lane.is_empty()
        };
        let mut lanes: Vec<_> = row.0.iter().filter(open).cloned().collect();
        let at = lanes.partition_point(|other| other.priority >= priority);
        lanes.insert(at, Arc::clone(&lane));
        row.0 = Arc::from(lanes);
        self.version.fetch_add(1, Ordering::Release);
        lane
    }

    /// Whether anything is queued here.
    pub(crate) fn any(&self) -> bool {
        self.row.lock().0.iter().any(|lane| !lane.is_empty())
    }

    /// How many are queued, about.
    pub(crate) fn len(&self) -> usize {
        self.row().iter().map(|lane| lane.queue.len()).sum()
    }

    /// Shows what is queued, as long as `see` says so.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(&Arc<dyn Job>) -> bool) -> bool {
        self.row().iter().all(|lane| lane.queue.visit(see))
    }

    /// Takes out some that could run elsewhere, from the lanes that workers come to last.
    pub(crate) fn take(&self, count: usize) -> Vec<Arc<dyn Job>> {
        let mut taken = Vec::new();
        for lane in self.row().iter().rev() {
            let left = count - taken.len();
            if left == 0 {
                break;
            }
            taken.extend(lane.queue.take(left, |job| job.can_leave()));
        }
        taken
    }

    /// Everything that is queued, taken out.
    pub(crate) fn drain(&self) -> Vec<Arc<dyn Job>> {
        self.row().iter().flat_map(|lane| std::iter::from_fn(|| lane.pop())).collect()
    }
}

fn common(row: &Row) -> Option<&Arc<Lane>> {
    row.iter().find(|lane| lane.id == LaneId(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_stand_by_priority_then_age() {
        let lanes = Lanes::new();
        let first = lanes.open();
        let urgent = lanes.at_priority(first.id, 5);
        let idle = lanes.at_priority(first.id, -5);
        let second = lanes.open();
        let ids: Vec<_> = lanes.row().iter().map(|lane| lane.id).collect();
        assert_eq!(ids, [urgent.id, LaneId(0), first.id, second.id, idle.id]);
        assert_eq!(
            lanes.at_priority(urgent.id, 0).id,
            first.id,
            "the same job's lane is found again"
        );
        assert_eq!(lanes.get(LaneId(99)).id, LaneId(0), "an unknown lane is the common one");
    }

    #[test]
    fn a_closed_lane_leaves_once_it_is_empty() {
        let lanes = Lanes::new();
        let gone = lanes.open();
        gone.close();
        assert!(lanes.row().iter().any(|lane| lane.id == gone.id));
        lanes.open();
        assert!(!lanes.row().iter().any(|lane| lane.id == gone.id));
    }
}

//! A node is built in order and closed in reverse order, each step named here.

use super::{Counters, Node, actors, current, future, graph, run, timeline, timer};
use crate::base::NodeId;
use crate::base::limits::{ASYNC_TASKS_MAX, GRACE_MS, PENDING_TASKS_MAX, THREADS_MAX};
use crate::base::quantity::{Amount, Resources};
use crate::base::shards::Sharded;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::ledger::Ledger;
use crate::sched::{Pool, PoolConfig};
use crate::task::registry;
use parking_lot::{Condvar, Mutex};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// The settings of a node, all of them decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) num_cpus: usize,
    pub(crate) num_gpus: f64,
    pub(crate) memory: u64,
    pub(crate) resources: Vec<(String, f64)>,
    pub(crate) always_encode: bool,
    pub(crate) max_pending: usize,
    pub(crate) async_tasks_max: usize,
    pub(crate) threads_max: usize,
    pub(crate) grace: Duration,
    pub(crate) timeline: Option<PathBuf>,
}

impl Settings {
    /// What a node has that is told nothing: all cores, no GPU, the memory of the machine.
    pub(crate) fn standard() -> Settings {
        Settings {
            num_cpus: std::thread::available_parallelism().map_or(1, usize::from),
            num_gpus: 0.0,
            memory: machine_memory(),
            resources: Vec::new(),
            always_encode: false,
            max_pending: PENDING_TASKS_MAX,
            async_tasks_max: ASYNC_TASKS_MAX,
            threads_max: THREADS_MAX,
            grace: Duration::from_millis(GRACE_MS),
            timeline: None,
        }
    }

    fn resources(&self) -> Result<Resources> {
        let amount = |name: &str, value: f64| {
            Amount::from_f64(value).ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("{name} = {value} is not an amount"))
            })
        };
        let mut named = Vec::new();
        for (name, value) in &self.resources {
            named.push((name.clone().into(), amount(name, *value)?));
        }
        let cpu = amount("num_cpus", self.num_cpus as f64)?;
        Ok(Resources { cpu, gpu: amount("num_gpus", self.num_gpus)?, memory: self.memory, named })
    }

    fn check(&self) -> Result<()> {
        let table = [
            ("num_cpus", self.num_cpus, 1, 4096),
            ("threads_max", self.threads_max, 2, 1 << 16),
            ("max_pending", self.max_pending, 1, usize::MAX),
            ("async_tasks_max", self.async_tasks_max, 1, usize::MAX),
        ];
        for (name, value, least, most) in table {
            if !(least..=most).contains(&value) {
                let text = format!("{name} = {value}: it must be from {least} to {most}");
                return Err(Error::new(ErrorKind::Config, text));
            }
        }
        Ok(())
    }
}

/// Bytes of memory of this machine, where it tells; else no bound.
fn machine_memory() -> u64 {
    let told = std::fs::read_to_string("/proc/meminfo").ok();
    let total = told.as_deref().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    total.map_or(u64::MAX, |kib| kib.saturating_mul(1024))
}

impl Node {
    /// Builds a node:
    /// 1. the registry is sound, the settings mean something;
    /// 2. the panic hook is there before anything can panic;
    /// 3. the ledger, the timer, the graph: memory only;
    /// 4. the pool; its threads start when the node is whole, and know it from their first step on.
    pub(crate) fn start(config: Settings) -> Result<Arc<Node>> {
        registry::check()?;
        config.check()?;
        let resources = config.resources()?;
        run::note_panics();
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let id = NodeId(NEXT.fetch_add(1, Ordering::Relaxed));
        let node = Arc::new_cyclic(|this: &Weak<Node>| {
            let this = Weak::clone(this);
            let of_threads = Weak::clone(&this);
            let on_start = move || {
                if let Some(node) = of_threads.upgrade() {
                    current::enter(node);
                }
            };
            let on_idle = move || {
                if let Some(node) = this.upgrade()
                    && let Some(cluster) = node.cluster.get()
                {
                    cluster.is_idle();
                }
            };
            let pool = PoolConfig {
                resources: resources.clone(),
                threads: config.num_cpus,
                threads_max: config.threads_max,
                name: format!("raykit-{id}"),
                on_start: Box::new(on_start),
                on_idle: Box::new(on_idle),
            };
            Node {
                id,
                pool: Pool::new(pool),
                ledger: Ledger::open(),
                graph: graph::Graph::default(),
                timer: timer::Timer::default(),
                futures: future::Futures::default(),
                actors: actors::Actors::default(),
                began: Instant::now(),
                timeline: config.timeline.as_deref().map(timeline::Timeline::new),
                counters: Counters { submitted: Sharded::new(), finished: Sharded::new() },
                has_whole_cpu: resources.cpu >= Amount::ONE,
                closing: AtomicBool::new(false),
                closed: AtomicBool::new(false),
                throttled: AtomicBool::new(false),
                room: Mutex::new(()),
                room_made: Condvar::new(),
                cluster: OnceLock::new(),
                config,
            }
        });
        current::announce(&node);
        match node.pool.open() {
            Ok(()) => Ok(node),
            Err(error) => {
                node.close()?;
                Err(error.into())
            }
        }
    }

    /// Closes the node, once:
    /// 1. actors with an `on_stop` run it, within the grace;
    /// 2. no call is accepted any more;
    /// 3. retries and timeouts stop;
    /// 4. futures are dropped at their next await, queued tasks resolve to an error, running
    ///    functions
    ///    have the time of grace to return;
    /// 5. threads end and are joined; the trace is written; the ledger is free for another node.
    ///
    /// # Errors
    ///
    /// Names the tasks that still run when the grace is over. Their threads are left to themselves.
    pub(crate) fn close(self: &Arc<Node>) -> Result<()> {
        if self.closing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.actors.retire(self, self.config.grace);
        self.closed.store(true, Ordering::Release);
        self.room_made.notify_all();
        self.timer.close();
        let mut stuck = self.close_futures(self.config.grace);
        stuck.extend(self.pool.close(self.config.grace));
        self.actors.close();
        let written = self.timeline.as_ref().map_or(Ok(()), timeline::Timeline::write);
        self.ledger.retire();
        if stuck.is_empty() {
            return Ok(written?);
        }
        let text = format!(
            "{} did not return within the grace of {:?}: {}",
            if stuck.len() == 1 { "one task" } else { "some tasks" },
            self.config.grace,
            stuck.join(", ")
        );
        Err(Error::new(ErrorKind::ShutDown, text))
    }
}

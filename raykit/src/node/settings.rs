//! The settings of a node, all of them decided.

use crate::base::limits::{
    ASYNC_TASKS_MAX, GPUS_MAX, GRACE_MS, OBJECT_MEMORY_BYTES_MIN, OBJECT_MEMORY_PERCENT,
    PENDING_TASKS_MAX, THREADS_MAX,
};
use crate::base::quantity::{Amount, Resources};
use crate::object::error::{Error, ErrorKind, Result};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of a node, all of them decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) num_cpus: usize,
    pub(crate) num_gpus: f64,
    pub(crate) memory: u64,
    /// Bytes of memory that it shares with others of its host at the most.
    pub(crate) object_memory: u64,
    pub(crate) resources: Vec<(String, f64)>,
    pub(crate) always_encode: bool,
    pub(crate) max_pending: usize,
    pub(crate) async_tasks_max: usize,
    pub(crate) threads_max: usize,
    pub(crate) grace: Duration,
    pub(crate) timeline: Option<PathBuf>,
    pub(crate) part: Part,
    /// What others call the node.
    pub(crate) name: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    /// Where its counters are read.
    pub(crate) metrics: Option<SocketAddr>,
    /// It prints what its tasks print on other nodes.
    pub(crate) log_to_driver: bool,
    /// It only submits, and is not waited for.
    pub(crate) driver: bool,
}

/// A node's part in a cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Alone,
    /// The one that others join. `keep`: the folder of its keys.
    Head {
        listen: SocketAddr,
        keep: Option<PathBuf>,
    },
    Member {
        address: String,
        token: Hidden,
    },
}

/// A text that is not shown.
#[derive(Clone, PartialEq)]
pub(crate) struct Hidden(String);

impl Hidden {
    pub(crate) fn new(text: String) -> Hidden {
        Hidden(text)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Settings {
    /// What a node has that is told nothing: all cores, no GPU, the memory of the machine.
    pub(crate) fn standard() -> Settings {
        Settings {
            num_cpus: std::thread::available_parallelism().map_or(1, usize::from),
            num_gpus: 0.0,
            memory: machine_memory(),
            object_memory: machine_memory() / 100 * OBJECT_MEMORY_PERCENT,
            resources: Vec::new(),
            always_encode: false,
            max_pending: PENDING_TASKS_MAX,
            async_tasks_max: ASYNC_TASKS_MAX,
            threads_max: THREADS_MAX,
            grace: Duration::from_millis(GRACE_MS),
            timeline: None,
            part: Part::Alone,
            name: None,
            labels: Vec::new(),
            metrics: None,
            log_to_driver: true,
            driver: false,
        }
    }

    pub(super) fn resources(&self) -> Result<Resources> {
        let amount = |name: &str, value: f64| {
            Amount::from_f64(value).ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("{name} = {value} is not an amount"))
            })
        };
        let cpu = amount("num_cpus", self.num_cpus as f64)?;
        let gpu = amount("num_gpus", self.num_gpus)?;
        let mut all = Resources { cpu, gpu, memory: self.memory, ..Resources::default() };
        for (name, value) in &self.resources {
            all.set_named(name.clone().into(), amount(name, *value)?);
        }
        Ok(all)
    }

    pub(super) fn check(&self) -> Result<()> {
        let table = [
            ("num_cpus", self.num_cpus, usize::from(self.part == Part::Alone), 4096),
            ("threads_max", self.threads_max, 2, 1 << 16),
            ("max_pending", self.max_pending, 1, usize::MAX),
            ("async_tasks_max", self.async_tasks_max, 1, usize::MAX),
        ];
        if self.num_gpus > f64::from(GPUS_MAX) {
            let text = format!("num_gpus = {}: it must be {GPUS_MAX} at the most", self.num_gpus);
            return Err(Error::new(ErrorKind::Config, text));
        }
        let shared = self.object_memory;
        if shared > 0 && shared < OBJECT_MEMORY_BYTES_MIN
            || shared > self.memory.max(machine_memory())
        {
            let text = format!(
                "object_memory = {shared}: it must be 0, or from {OBJECT_MEMORY_BYTES_MIN} to the \
                 memory of the machine, bytes"
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
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

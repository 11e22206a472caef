//! What a node of a simulation has.

use crate::node::settings::Settings;

/// Bytes of memory of a pretend machine: tasks may reserve them.
const MEMORY: u64 = 16 << 30;

/// A pretend machine, for [`Cluster::start`](super::Cluster::start): two CPUs, unless said
/// otherwise.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Settings,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine::new()
    }
}

impl Machine {
    /// A machine of two CPUs.
    #[must_use]
    pub fn new() -> Machine {
        Machine {
            settings: Settings {
                num_cpus: 2,
                memory: MEMORY,
                object_memory: 0,
                log_to_driver: false,
                ..Settings::standard()
            },
        }
    }

    /// CPUs, and so many threads.
    #[must_use]
    pub fn cpus(mut self, count: usize) -> Machine {
        self.settings.num_cpus = count;
        self
    }

    /// GPUs.
    #[must_use]
    pub fn gpus(mut self, count: f64) -> Machine {
        self.settings.num_gpus = count;
        self
    }

    /// A resource with a name.
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>, amount: f64) -> Machine {
        self.settings.resources.push((name.into(), amount));
        self
    }

    /// A label that a [`Strategy`](crate::Strategy) can ask for.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Machine {
        self.settings.labels.push((key.into(), value.into()));
        self
    }

    /// What the node is called in the state of the cluster.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Machine {
        self.settings.name = Some(name.into());
        self
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.clone()
    }
}

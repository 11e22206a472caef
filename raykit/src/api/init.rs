//! Starting and ending: `init`, `Config`, and the guards that close a node when they go.

use super::own::{Node, complain};
use super::tokens;
use crate::base::thread;
use crate::node::settings::{Hidden, Part, Settings};
use crate::node::{Node as Core, current};
use crate::object::error::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Starts the process's node with all cores, or joins the one that runs already.
///
/// The settings are those of [`Config`], with what the `RAYKIT_*` variables of the environment say.
/// The node runs until the last guard is dropped. There is no daemon and no port; it takes less
/// than a millisecond.
///
/// # Errors
///
/// [`ErrorKind::AlreadyRunning`] when a node with other settings runs in this process,
/// [`ErrorKind::Config`] when a variable has no meaning or two functions have one key, and
/// [`ErrorKind::Io`] when the system gives no threads.
///
/// ```
/// fn main() -> raykit::Result<()> {
///     let _ray = raykit::init()?;
///     let stored = raykit::put(42)?;
///     assert_eq!(stored.get()?, 42);
///     Ok(())
/// }
/// ```
pub fn init() -> Result<Guard> {
    Config::new().init()
}

/// The settings of a node.
///
/// What is said here comes first, then the variables of the environment, then the standard.
///
/// | method | variable | standard |
/// |---|---|---|
/// | [`num_cpus`](Self::num_cpus) | `RAYKIT_NUM_CPUS` | all cores |
/// | [`num_gpus`](Self::num_gpus) | `RAYKIT_NUM_GPUS` | 0 |
/// | [`memory`](Self::memory) | `RAYKIT_MEMORY` | that of the machine, bytes |
/// | [`object_memory`](Self::object_memory) | `RAYKIT_OBJECT_MEMORY` | 30 % of the machine's |
/// | [`resource`](Self::resource) | | none |
/// | [`max_pending`](Self::max_pending) | `RAYKIT_MAX_PENDING` | 1,048,576 calls |
/// | [`async_tasks_max`](Self::async_tasks_max) | `RAYKIT_ASYNC_TASKS_MAX` | 1,000 |
/// | [`threads_max`](Self::threads_max) | `RAYKIT_THREADS_MAX` | 1,024 |
/// | [`grace`](Self::grace) | `RAYKIT_GRACE_MS` | 5 s |
/// | [`always_encode`](Self::always_encode) | `RAYKIT_ALWAYS_ENCODE` | no |
/// | [`timeline`](Self::timeline) | `RAYKIT_TIMELINE` | none |
/// | [`metrics`](Self::metrics) | `RAYKIT_METRICS` | none |
/// | [`log_to_driver`](Self::log_to_driver) | `RAYKIT_LOG_TO_DRIVER` | yes |
/// | [`address`](Self::address) | `RAYKIT_ADDRESS` | none: a node by itself |
/// | [`token`](Self::token) | `RAYKIT_TOKEN` | that of the user's head on this host |
/// | [`token_file`](Self::token_file) | `RAYKIT_TOKEN_FILE` | the same |
///
/// ```
/// let _ray = raykit::Config::new().num_cpus(2).resource("disk", 1.0).init()?;
/// # Ok::<(), raykit::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Config {
    num_cpus: Option<usize>,
    num_gpus: Option<f64>,
    memory: Option<u64>,
    object_memory: Option<u64>,
    resources: Vec<(String, f64)>,
    max_pending: Option<usize>,
    async_tasks_max: Option<usize>,
    threads_max: Option<usize>,
    grace: Option<Duration>,
    always_encode: Option<bool>,
    timeline: Option<PathBuf>,
    part: Option<Said>,
    token: Option<Hidden>,
    token_file: Option<PathBuf>,
    keep: Option<PathBuf>,
    metrics: Option<SocketAddr>,
    log_to_driver: Option<bool>,
    name: Option<String>,
    labels: Vec<(String, String)>,
    worker: bool,
}

/// What the code says of a cluster.
#[derive(Clone, Debug)]
enum Said {
    Head(SocketAddr),
    Join(String),
}

impl Config {
    /// Settings that say nothing yet.
    pub fn new() -> Config {
        Config::default()
    }

    /// CPUs that tasks are charged against, and the number of threads that serve them.
    pub fn num_cpus(mut self, n: usize) -> Config {
        self.num_cpus = Some(n);
        self
    }

    /// GPUs that tasks may ask for. raykit counts them; it does not look for them.
    pub fn num_gpus(mut self, n: f64) -> Config {
        self.num_gpus = Some(n);
        self
    }

    /// Bytes of memory that tasks may reserve.
    pub fn memory(mut self, bytes: u64) -> Config {
        self.memory = Some(bytes);
        self
    }

    /// Bytes of memory that the node shares with other nodes of its host and user at the most, so
    /// that large objects reach them without a copy; with 0 it shares none. It is taken as it is
    /// needed. What finds no room there is sent.
    pub fn object_memory(mut self, bytes: u64) -> Config {
        self.object_memory = Some(bytes);
        self
    }

    /// An amount of something that tasks may ask for by this name. The last amount of a name
    /// counts.
    pub fn resource(mut self, name: impl Into<String>, amount: f64) -> Config {
        self.resources.push((name.into(), amount));
        self
    }

    /// Calls that have not run, before a thread outside the node's own has to wait when it submits
    /// another. A queued call takes less than 400 bytes. Tasks never wait for this.
    pub fn max_pending(mut self, calls: usize) -> Config {
        self.max_pending = Some(calls);
        self
    }

    /// `async` tasks that run at once.
    pub fn async_tasks_max(mut self, n: usize) -> Config {
        self.async_tasks_max = Some(n);
        self
    }

    /// Threads, those that wait included.
    pub fn threads_max(mut self, n: usize) -> Config {
        self.threads_max = Some(n);
        self
    }

    /// For how long a closing node waits for functions that are running.
    pub fn grace(mut self, grace: Duration) -> Config {
        self.grace = Some(grace);
        self
    }

    /// Sends every argument and result through bytes, as if it came from another node: a test that
    /// sharing here and copying there mean the same.
    pub fn always_encode(mut self, yes: bool) -> Config {
        self.always_encode = Some(yes);
        self
    }

    /// Writes a trace of the run to this file when the node closes, in the format that Chrome's
    /// `about:tracing` and Perfetto open.
    pub fn timeline(mut self, path: impl Into<PathBuf>) -> Config {
        self.timeline = Some(path.into());
        self
    }

    /// Makes the node the head of a new cluster, which others join at this address. One that does
    /// not begin with `127.` can be reached by other machines; nobody comes in without a token.
    pub fn head(mut self, listen: SocketAddr) -> Config {
        self.part = Some(Said::Head(listen));
        self
    }

    /// Joins the cluster whose head is there: a host and a port.
    pub fn address(mut self, head: impl Into<String>) -> Config {
        self.part = Some(Said::Join(head.into()));
        self
    }

    /// The token to join with. Without one that of the user's own head on this host is taken, if
    /// there is one.
    pub fn token(mut self, token: impl Into<String>) -> Config {
        self.token = Some(Hidden::new(token.into()));
        self
    }

    /// The file with the token to join with, which nobody else may read.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Config {
        self.token_file = Some(path.into());
        self
    }

    /// Where a head keeps its keys and tokens, so that those are good for the next one too. Without
    /// a folder they end with the head.
    pub fn keep(mut self, folder: impl Into<PathBuf>) -> Config {
        self.keep = Some(folder.into());
        self
    }

    /// What other nodes call this one; the host's name unless said otherwise.
    pub fn name(mut self, name: impl Into<String>) -> Config {
        self.name = Some(name.into());
        self
    }

    /// Something that other nodes can know this one by.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Config {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Answers `GET /metrics` at this address with the node's counters, as Prometheus reads them.
    /// Whoever reaches the address can read them: one that does not begin with `127.` is for a
    /// network that you trust. With port 0 a free one is taken;
    /// [`NodeState::metrics_address`](crate::state::NodeState::metrics_address) tells which.
    pub fn metrics(mut self, address: SocketAddr) -> Config {
        self.metrics = Some(address);
        self
    }

    /// Whether this program prints what its tasks print on other nodes, as
    /// `(name pid=.., node=..) line`. It does, unless this or RAYKIT_LOG_TO_DRIVER=0 says
    /// otherwise; a node that was started as a worker does not.
    pub fn log_to_driver(mut self, yes: bool) -> Config {
        self.log_to_driver = Some(yes);
        self
    }

    /// The node is there for others' tasks, and not for a program of its own.
    pub(crate) fn worker(mut self) -> Config {
        self.worker = true;
        self
    }

    /// The part in a cluster that the code says, or the environment.
    fn part(&self) -> Result<Part> {
        let said = match &self.part {
            Some(said) => Some(said.clone()),
            None => variable("RAYKIT_ADDRESS").map(Said::Join),
        };
        match said {
            None => Ok(Part::Alone),
            Some(Said::Head(listen)) => Ok(Part::Head { listen, keep: self.keep.clone() }),
            Some(Said::Join(address)) => {
                let token = match (&self.token, &self.token_file) {
                    (Some(token), _) => token.clone(),
                    (None, Some(file)) => tokens::read(file)?,
                    (None, None) => match (variable("RAYKIT_TOKEN"), variable("RAYKIT_TOKEN_FILE"))
                    {
                        (Some(token), _) => Hidden::new(token),
                        (None, Some(file)) => tokens::read(Path::new(&file))?,
                        (None, None) => tokens::of_this_host(&address)?,
                    },
                };
                Ok(Part::Member { address, token })
            }
        }
    }

    fn settings(self) -> Result<Settings> {
        let standard = Settings::standard();
        let part = self.part()?;
        Ok(Settings {
            num_cpus: decide(self.num_cpus, "RAYKIT_NUM_CPUS", standard.num_cpus)?,
            num_gpus: decide(self.num_gpus, "RAYKIT_NUM_GPUS", standard.num_gpus)?,
            memory: decide(self.memory, "RAYKIT_MEMORY", standard.memory)?,
            object_memory: decide(
                self.object_memory,
                "RAYKIT_OBJECT_MEMORY",
                standard.object_memory,
            )?,
            resources: self.resources,
            max_pending: decide(self.max_pending, "RAYKIT_MAX_PENDING", standard.max_pending)?,
            async_tasks_max: decide(
                self.async_tasks_max,
                "RAYKIT_ASYNC_TASKS_MAX",
                standard.async_tasks_max,
            )?,
            threads_max: decide(self.threads_max, "RAYKIT_THREADS_MAX", standard.threads_max)?,
            grace: match self.grace {
                Some(grace) => grace,
                None => {
                    let standard = standard.grace.as_millis() as u64;
                    Duration::from_millis(decide(None, "RAYKIT_GRACE_MS", standard)?)
                }
            },
            always_encode: match self.always_encode {
                Some(yes) => yes,
                None => switch("RAYKIT_ALWAYS_ENCODE")?,
            },
            timeline: self.timeline.or_else(|| variable("RAYKIT_TIMELINE").map(PathBuf::from)),
            driver: matches!(part, Part::Member { .. }) && !self.worker,
            part,
            metrics: optional(self.metrics, "RAYKIT_METRICS")?,
            log_to_driver: match (self.log_to_driver, variable("RAYKIT_LOG_TO_DRIVER")) {
                _ if self.worker => false,
                (Some(yes), _) => yes,
                (None, None) => true,
                (None, Some(_)) => switch("RAYKIT_LOG_TO_DRIVER")?,
            },
            name: self.name,
            labels: self.labels,
        })
    }

    /// Starts the process's node with these settings, or joins the one that runs already.
    ///
    /// # Errors
    ///
    /// As [`init`].
    pub fn init(self) -> Result<Guard> {
        outside_of_simulations()?;
        let settings = self.settings()?;
        let mut guards = GUARDS.lock();
        let running = current::change_process(|process| process.clone());
        let core = match running {
            Some(core) if core.config == settings => core,
            Some(core) => {
                let text = format!(
                    "a node with other settings runs in this process: it has {:?}, asked for was \
                     {settings:?}; drop its guard first, or use `Config::start` for a node of its own",
                    core.config
                );
                return Err(Error::new(ErrorKind::AlreadyRunning, text));
            }
            None => {
                let core = Core::start(settings)?;
                current::change_process(|process| *process = Some(Arc::clone(&core)));
                core
            }
        };
        *guards += 1;
        Ok(Guard { core: Some(core) })
    }

    /// Starts a node of its own beside the process's, for a test or a part of a program that should
    /// not share threads. It is in force where it was [entered](Node::enter), and in its own tasks.
    ///
    /// # Errors
    ///
    /// As [`init`], but never [`ErrorKind::AlreadyRunning`].
    pub fn start(self) -> Result<Node> {
        outside_of_simulations()?;
        Ok(Node { core: Core::start(self.settings()?)? })
    }
}

/// The nodes of a simulation are there already, and it alone starts others.
fn outside_of_simulations() -> Result<()> {
    if !thread::is_simulated() {
        return Ok(());
    }
    let text = "this runs in a simulation, which has its own nodes: leave out `init`, and start \
                others by `raykit::sim::Cluster::start`";
    Err(Error::new(ErrorKind::Config, text))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the variable says yes.
fn switch(name: &str) -> Result<bool> {
    match variable(name).as_deref() {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(other) => {
            let text = format!("{name} = `{other}` is neither 1 nor 0");
            Err(Error::new(ErrorKind::Config, text))
        }
    }
}

/// What the code says, else the variable, else the standard.
fn decide<T: std::str::FromStr>(said: Option<T>, name: &str, standard: T) -> Result<T> {
    match (said, variable(name)) {
        (Some(said), _) => Ok(said),
        (None, None) => Ok(standard),
        (None, Some(value)) => value.parse().map_err(|_| {
            let kind = std::any::type_name::<T>();
            Error::new(ErrorKind::Config, format!("{name} = `{value}` is not a number ({kind})"))
        }),
    }
}

/// The same where there is no standard.
fn optional<T: std::str::FromStr>(said: Option<T>, name: &str) -> Result<Option<T>> {
    match (said, variable(name)) {
        (Some(said), _) => Ok(Some(said)),
        (None, None) => Ok(None),
        (None, Some(value)) => value.parse().map(Some).map_err(|_| {
            let kind = std::any::type_name::<T>();
            Error::new(ErrorKind::Config, format!("{name} = `{value}` is not one ({kind})"))
        }),
    }
}

/// Guards of the process's node.
static GUARDS: Mutex<usize> = Mutex::new(0);

/// Keeps the process's node running. The last one dropped closes it: queued calls resolve to an
/// error, running functions have the [grace](Config::grace) to return.
#[must_use = "the node is closed when the guard is dropped"]
pub struct Guard {
    core: Option<Arc<Core>>,
}

impl Guard {
    /// Closes the node if this is the last guard, and says whether all functions returned in time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShutDown`] naming the tasks that still run when the grace is over.
    pub fn shutdown(mut self) -> Result<()> {
        self.close()
    }

    fn close(&mut self) -> Result<()> {
        let Some(core) = self.core.take() else { return Ok(()) };
        let mut guards = GUARDS.lock();
        *guards -= 1;
        if *guards > 0 {
            return Ok(());
        }
        current::change_process(|process| *process = None);
        // Whoever starts a node meanwhile gets one of its own, and does not wait for this one's
        // end.
        drop(guards);
        core.close()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            complain(&error);
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({:?})", self.core.as_ref().map(|core| core.id))
    }
}

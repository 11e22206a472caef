//! A simulation from its beginning to its end.

use super::hold::Cluster;
use super::machine::Machine;
use super::troubles;
use crate::base::limits::STACK_BYTES;
use crate::base::turns::{self, Run};
use crate::node::current;
use crate::node::web::Web;
use parking_lot::Mutex;
use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Names the one seed that [`seeds`] is to run.
const SEED: &str = "RAYKIT_SIM_SEED";

/// One simulation at a time: some tables of raykit are those of the process.
static ONE: Mutex<()> = Mutex::new(());

/// How a simulation is made; [`run`] and [`seeds`] are short for one that is told nothing.
///
/// ```
/// use raykit::sim::{Machine, Sim};
/// use raykit::prelude::*;
///
/// let far = Sim::new(7).delay(millis(40), millis(60)).head(Machine::new().cpus(1));
/// let there = far.run(|cluster| cluster.start(Machine::new()).is_ok());
/// assert!(there);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is run by `run`"]
pub struct Sim {
    seed: u64,
    head: Machine,
    delay: (Duration, Duration),
    limit: Duration,
    patience: Duration,
    kill_every: Option<Duration>,
    cut_every: Option<Duration>,
}

impl Sim {
    /// A simulation that this number decides.
    pub fn new(seed: u64) -> Sim {
        Sim {
            seed,
            head: Machine::new(),
            delay: (Duration::from_micros(100), Duration::from_millis(2)),
            limit: Duration::from_secs(24 * 3_600),
            patience: Duration::from_secs(60),
            kill_every: None,
            cut_every: None,
        }
    }

    /// The machine of the first node, on which the driver runs.
    pub fn head(mut self, machine: Machine) -> Sim {
        self.head = machine;
        self
    }

    /// How long a packet takes from node to node, at least and at the most.
    pub fn delay(mut self, least: Duration, most: Duration) -> Sim {
        self.delay = (least, most.max(least));
        self
    }

    /// After so much time of its own the simulation fails: a day, unless said otherwise. What waits
    /// for ever is found by this if by nothing else.
    pub fn limit(mut self, limit: Duration) -> Sim {
        self.limit = limit;
        self
    }

    /// A thread that neither waits nor ends for so much real time is taken to be stuck: a minute,
    /// unless said otherwise.
    pub fn patience(mut self, patience: Duration) -> Sim {
        self.patience = patience;
        self
    }

    /// Now and then a node other than the head is killed, and another one joins in its place: about
    /// this often.
    pub fn kill_every(mut self, about: Duration) -> Sim {
        self.kill_every = Some(about);
        self
    }

    /// Now and then two nodes are cut off from each other for a moment, or lose their link: about
    /// this often. The moment is too short for a node to be taken for dead.
    pub fn cut_every(mut self, about: Duration) -> Sim {
        self.cut_every = Some(about);
        self
    }

    /// Runs `job` as the driver, on the first node, and gives back what it gives. When it has
    /// returned the cluster is closed.
    ///
    /// # Panics
    ///
    /// When `job` does, when nothing can go on, and when the limit of time has passed. The message
    /// names the seed. A simulation within a simulation panics too.
    pub fn run<R: Send + 'static>(self, job: impl FnOnce(&Cluster) -> R + Send + 'static) -> R {
        let seed = self.seed;
        match self.outcome(job) {
            Ok(result) => result,
            Err(failed) => panic!("the simulation of seed {seed} {}", failed),
        }
    }

    /// Runs `job` with one seed after the other. Each is replayed by itself where the variable
    /// `RAYKIT_SIM_SEED` names it.
    ///
    /// # Panics
    ///
    /// With the first seed that fails; the message says how to replay it.
    pub fn seeds(self, seeds: Range<u64>, job: impl Fn(&Cluster) + Send + Sync + 'static) {
        let named = std::env::var(SEED).ok().map(|seed| seed.parse::<u64>());
        let seeds = match named {
            Some(Ok(seed)) => seed..seed + 1,
            Some(Err(error)) => panic!("{SEED} is not a number: {error}"),
            None => seeds,
        };
        let job = Arc::new(job);
        for seed in seeds {
            let job = Arc::clone(&job);
            let one = Sim { seed, ..self.clone() };
            if let Err(failed) = one.outcome(move |cluster| job(cluster)) {
                let test = std::thread::current().name().unwrap_or_default().to_owned();
                panic!(
                    "the simulation of seed {seed} {}\nreplay it with: {SEED}={seed} cargo test {test}",
                    failed
                );
            }
        }
    }

    fn outcome<R: Send + 'static>(
        self,
        job: impl FnOnce(&Cluster) -> R + Send + 'static,
    ) -> Result<R, String> {
        assert!(!turns::is_here(), "a simulation cannot run within another one");
        let _one = ONE.lock();
        let (patience, (tell, told)) = (self.patience, channel());
        let (done, is_done) = channel();
        let thread = std::thread::Builder::new().name("driver".to_owned()).stack_size(STACK_BYTES);
        let driver = thread.spawn(move || {
            let run = Run::begin(self.seed, self.limit);
            let _ = tell.send(Arc::clone(&run));
            let _ = done.send(self.play(&run, job));
        });
        let driver = match driver {
            Ok(driver) => driver,
            Err(error) => return Err(format!("has no thread: {error}")),
        };
        let ended = || "ended without a word".to_owned();
        let run = told.recv().map_err(|_| ended())?;
        let (mut steps, mut still) = (0, Duration::ZERO);
        let look = (patience / 8).max(Duration::from_millis(1));
        let outcome = loop {
            match is_done.recv_timeout(look) {
                Ok(outcome) => break outcome,
                Err(RecvTimeoutError::Disconnected) => break Err(ended()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = run.steps();
            still = if now == steps { still + look } else { Duration::ZERO };
            steps = now;
            if still >= patience {
                run.give_up();
                return Err(format!(
                    "is stuck: its thread `{}` has neither waited nor ended for {patience:?} of \
                     real time; it may wait for something that the simulation does not know of",
                    run.whose_turn()
                ));
            }
        };
        let _ = driver.join(); // what it has left on its thread is gone too then
        outcome
    }

    /// On the driver's thread.
    fn play<R>(self, run: &Arc<Run>, job: impl FnOnce(&Cluster) -> R) -> Result<R, String> {
        let web = Web::new(!self.seed, self.delay);
        let cluster = Cluster::found(run, &web, self.head.clone());
        let cluster = cluster.map_err(|error| format!("has no head: {error}"))?;
        let cluster = Arc::new(cluster);
        let troubles = troubles::begin(&cluster, self.kill_every, self.cut_every);
        cluster.head_node().into_iter().for_each(current::enter);
        let acts = || turns::on_behalf(cluster.head().0, || job(&cluster));
        let outcome = catch_unwind(AssertUnwindSafe(acts));
        let report = run.verdict().map(|why| format!("stopped {why}{}", cluster.report()));
        run.ends();
        current::leave();
        troubles.into_iter().for_each(troubles::Troubles::end);
        cluster.end();
        drop(cluster);
        run.finish();
        match (report, outcome) {
            (Some(text), _) => Err(text),
            (None, Ok(result)) => Ok(result),
            (None, Err(panic)) => Err(format!("panicked: {}", message(&*panic))),
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("with no text")
}

/// Runs `job` as the driver of a pretend cluster of one node, to which it adds others. The seed
/// decides everything that happens.
///
/// ```
/// use raykit::prelude::*;
/// use raykit::sim::{self, Machine};
///
/// #[remote]
/// fn square(x: i64) -> i64 {
///     sim::sleep(secs(60)); // hard work
///     x * x
/// }
///
/// let sum = sim::run(7, |cluster| {
///     let other = cluster.start(Machine::new().cpus(4)).expect("it joins");
///     let squares = square::map(0..100);
///     sim::sleep(secs(90));
///     cluster.kill(other); // what it had runs again
///     raykit::get(&squares).expect("all of them").iter().sum::<i64>()
/// });
/// assert_eq!(sum, 328_350);
/// ```
///
/// # Panics
///
/// As [`Sim::run`].
pub fn run<R: Send + 'static>(seed: u64, job: impl FnOnce(&Cluster) -> R + Send + 'static) -> R {
    Sim::new(seed).run(job)
}

/// Runs `job` with one seed after the other.
///
/// # Panics
///
/// As [`Sim::seeds`].
pub fn seeds(seeds: Range<u64>, job: impl Fn(&Cluster) + Send + Sync + 'static) {
    Sim::new(0).seeds(seeds, job);
}

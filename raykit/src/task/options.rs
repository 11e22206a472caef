//! What one call asks for beside its arguments: a plain value, given by the attribute as the
//! function's defaults and changed by `options()` for one call.

use crate::actor::options::ActorOptions;
use crate::base::Strategy;
use crate::base::labels::Need;
use crate::base::quantity::{Amount, Resources};
use crate::object::{Error, ErrorKind};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Which failures of a function are tried again, within `max_retries`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum RetryOn {
    /// None: an `Err` or a panic is the result. Lost processes are still tried again.
    #[default]
    Nothing,
    /// Every `Err` and every panic.
    All,
    /// The errors that the function says yes to. Panics are not asked about.
    When(fn(&Error) -> bool),
}

/// What a call does that meets a full actor: one with `max_pending` calls waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It fails at once.
    #[default]
    Fail,
    /// The caller waits for room.
    Wait,
}

/// The options of one call. Written by the macro and by `options()`; not named by users.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Options {
    pub num_cpus: f64,
    pub num_gpus: f64,
    pub memory: u64,
    pub resources: Cow<'static, [(Cow<'static, str>, f64)]>,
    /// What the labels of the node must be.
    pub labels: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
    pub max_retries: u32,
    pub retry_on: RetryOn,
    pub name: Option<Cow<'static, str>>,
    pub timeout: Option<Duration>,
    pub priority: Option<i32>,
    /// Of a stream: how many items its task may be ahead.
    pub backpressure: Option<u32>,
    /// The same in bytes.
    pub backpressure_bytes: Option<u64>,
    pub strategy: Strategy,
    /// For a method: the group of methods that share a limit.
    pub group: Option<&'static str>,
    /// For a method: what happens when the actor has as many calls waiting as it may have.
    pub when_full: WhenFull,
    /// For a method: whether the call keeps its place in the order of its caller's calls.
    pub ordered: bool,
    /// For a method and a call of one: whether it says itself how often it is tried again.
    pub own_retries: bool,
    /// For a constructor: its actor holds what it asks for, for as long as it lives.
    pub held: bool,
}

impl Options {
    /// The options of a function that says nothing: one CPU, three retries of lost processes.
    pub const fn new() -> Options {
        Options {
            num_cpus: 1.0,
            num_gpus: 0.0,
            memory: 0,
            resources: Cow::Borrowed(&[]),
            labels: Cow::Borrowed(&[]),
            max_retries: 3,
            retry_on: RetryOn::Nothing,
            name: None,
            timeout: None,
            priority: None,
            backpressure: None,
            backpressure_bytes: None,
            strategy: Strategy::Default,
            group: None,
            when_full: WhenFull::Fail,
            ordered: true,
            own_retries: false,
            held: false,
        }
    }

    /// The options of an actor's method that says nothing: no CPU beyond the one that it is charged
    /// while it runs, and no second attempt.
    pub const fn of_method() -> Options {
        let mut options = Options::new();
        options.num_cpus = 0.0;
        options.max_retries = 0;
        options
    }

    /// The options of an actor's constructor: charged a CPU while it runs, as a method is.
    pub const fn of_constructor() -> Options {
        let mut options = Options::of_method();
        options.num_cpus = 1.0;
        options
    }

    /// What `handle.options()` begins with; what it leaves open is the method's.
    pub const fn of_call() -> Options {
        Options::of_method()
    }

    /// These options of a call, over those of its method.
    pub(crate) fn over(mut self, method: &Options) -> Options {
        if !self.own_retries {
            (self.max_retries, self.retry_on) = (method.max_retries, method.retry_on);
            self.own_retries = method.own_retries;
        }
        self.name = self.name.or_else(|| method.name.clone());
        self.timeout = self.timeout.or(method.timeout);
        self.backpressure = self.backpressure.or(method.backpressure);
        self.backpressure_bytes = self.backpressure_bytes.or(method.backpressure_bytes);
        self.group = method.group;
        self
    }

    /// Whether the call asks for one CPU and nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        !self.held
            && self.num_cpus == 1.0
            && self.num_gpus == 0.0
            && self.memory == 0
            && self.resources.is_empty()
            && !matches!(self.strategy, Strategy::Group { .. })
    }

    /// Whether the call asks for nothing, as a method does.
    pub(crate) fn is_nothing(&self) -> bool {
        self.num_cpus == 0.0
            && self.num_gpus == 0.0
            && self.memory == 0
            && self.resources.is_empty()
    }

    /// The options of a call that holds what such an actor asks for.
    pub(crate) fn of_actor(own: &ActorOptions) -> Options {
        Options {
            num_cpus: own.num_cpus,
            num_gpus: own.num_gpus,
            memory: own.memory,
            resources: own.resources.clone(),
            labels: own.labels.clone(),
            priority: own.priority,
            strategy: own.strategy,
            held: true,
            ..Options::of_method()
        }
    }

    /// What the labels of the node must be.
    pub(crate) fn needs(&self) -> Result<Arc<[Need]>, Error> {
        if self.labels.is_empty() {
            return Ok(Arc::default()); // most have none, and this takes no memory
        }
        let needs = self.labels.iter().map(|(key, text)| Need::parse(key, text));
        needs.collect::<Result<_, _>>().map_err(|text| Error::new(ErrorKind::Config, text))
    }

    /// What the call holds while it runs.
    pub(crate) fn request(&self) -> Result<Resources, Error> {
        let amount = |name: &str, value: f64| {
            Amount::from_f64(value).ok_or_else(|| {
                let text = format!(
                    "{name} = {value}: an amount is a number from 0 to {}, in steps of 0.0001",
                    Amount::MAX
                );
                Error::new(ErrorKind::Config, text)
            })
        };
        let gpu = amount("num_gpus", self.num_gpus)?;
        if gpu > Amount::ONE && gpu.0 % Amount::ONE.0 != 0 {
            let text = format!(
                "num_gpus = {gpu}: a part of a GPU is less than 1, and more than one are a whole number"
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
        let cpu = amount("num_cpus", self.num_cpus)?;
        let mut plain = Resources { cpu, gpu, memory: self.memory, ..Resources::default() };
        for (name, value) in self.resources.iter() {
            plain.set_named(name.clone(), amount(name, *value)?);
        }
        Ok(match self.strategy {
            Strategy::Group { group, bundle } => plain.in_group(group, bundle),
            _ => plain,
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Options::new()
    }
}

/// An amount that an attribute gives as an expression: refused while compiling if it is none.
#[doc(hidden)]
pub const fn amount(value: f64) -> f64 {
    assert!(value >= 0.0 && value < f64::INFINITY, "an amount is a number from 0 up");
    value
}

/// Puts a value into a field while compiling, when the drop of what was there cannot run.
#[doc(hidden)]
pub const fn set<T>(field: &mut T, value: T) {
    std::mem::forget(std::mem::replace(field, value));
}

//! What an actor asks for, beside its constructor's arguments.

use super::supervise::Supervised;
use crate::base::quantity::Resources;
use crate::base::{ActorId, Strategy};
use std::borrow::Cow;
use std::time::Duration;

/// The options of one actor. Written by the macro and by `options()`; not named by users.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct ActorOptions {
    pub num_cpus: f64,
    pub num_gpus: f64,
    pub memory: u64,
    pub resources: Cow<'static, [(Cow<'static, str>, f64)]>,
    pub labels: Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>,
    pub max_restarts: u32,
    pub restart_window: Option<Duration>,
    pub max_retries: u32,
    pub max_concurrency: u32,
    pub max_pending: u32,
    pub checkpoint_every: u32,
    pub detached: bool,
    pub name: Option<Cow<'static, str>>,
    pub namespace: Option<Cow<'static, str>>,
    pub get_if_exists: bool,
    pub priority: Option<i32>,
    pub out_of_order: bool,
    pub pinned: bool,
    pub groups: Cow<'static, [(Cow<'static, str>, u32)]>,
    pub supervisor: Option<Supervised>,
    pub strategy: Strategy,
    /// For one that lives here for another node: the id that its handles there have, and that it is
    /// shown by.
    pub known_as: Option<ActorId>,
    /// And how often it has been lost, and made again, before.
    pub lost_before: u64,
}

impl ActorOptions {
    /// The options of an actor that says nothing: nothing reserved, no restart, a thousand `&self`
    /// calls at a time, any number of calls waiting.
    pub const fn new() -> ActorOptions {
        ActorOptions {
            num_cpus: 0.0,
            num_gpus: 0.0,
            memory: 0,
            resources: Cow::Borrowed(&[]),
            labels: Cow::Borrowed(&[]),
            max_restarts: 0,
            restart_window: None,
            max_retries: 0,
            max_concurrency: 1_000,
            max_pending: u32::MAX,
            checkpoint_every: 0,
            detached: false,
            name: None,
            namespace: None,
            get_if_exists: false,
            priority: None,
            out_of_order: false,
            pinned: false,
            groups: Cow::Borrowed(&[]),
            supervisor: None,
            strategy: Strategy::Default,
            known_as: None,
            lost_before: 0,
        }
    }
}

impl ActorOptions {
    /// Whether the actor holds CPUs, so that its methods are charged none.
    pub(crate) fn holds_cpu(&self) -> bool {
        let of_bundle = |(name, amount): &(Cow<'static, str>, f64)| {
            *amount > 0.0 && name.ends_with(Resources::CPU_OF_BUNDLE)
        };
        self.num_cpus > 0.0 || self.resources.iter().any(of_bundle)
    }
}

impl Default for ActorOptions {
    fn default() -> Self {
        ActorOptions::new()
    }
}

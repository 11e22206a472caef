//! One run: troubles, then good weather until all has ended, then nobody wants anything any more.

use super::checks::{self, HEAD};
use super::faults::{Extras, Plan};
use super::network::Network;
use super::node::Happening;
use super::world::World;
use crate::base::moment::Moment;
use crate::base::rng::Rng;
use crate::proto::bugs::{Bug, plant};
use crate::proto::machine::Welcome;
use std::time::Duration;

/// How long all may take in good weather: some times what a task waits for a node that could run
/// it, and what it takes to find the dead.
const WELL_WITHIN: Duration = Duration::from_secs(300);
/// How long a node may live on without its head: three times what it bears of silence, for those
/// that stand still.
const ALONE_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to let go of everything.
const EMPTY_WITHIN: Duration = Duration::from_secs(60);
/// How often the world is looked at in between.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// When a node becomes somebody else's, in worlds where one does.
const TURNS_AFTER: Duration = Duration::from_millis(800);
/// For so long it must stay as it is.
const STAYS: u32 = 8;

/// What a run is to do beside running.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    /// Prints each event.
    pub(crate) tells: bool,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    pub(crate) time: Moment,
    pub(crate) settled: u64,
    pub(crate) failed: u64,
    /// The rule that was broken, and by what.
    pub(crate) failure: Option<String>,
}

/// The same seed gives the same run.
pub(crate) fn run(seed: u64, settings: &Settings) -> Outcome {
    let mut rng = Rng::new(seed);
    let plan = Plan::new(&mut rng);
    let network = Network::new(plan.weather);
    let mut world = World::new(rng, network, plan.submits, settings.tells);
    world.model.mild = plan.mild && plan.weather.lost == 0 && plan.weather.early == 0;
    (world.extras, world.seed) = (Extras::of(seed), seed);
    // Now and then, without another throw of the dice.
    let headless = seed % 16 == 15;
    let failure = live(&mut world, &plan, headless);
    Outcome {
        hash: world.hash,
        steps: world.steps,
        time: world.clock.now(),
        settled: world.model.settled,
        failed: world.model.failed,
        failure,
    }
}

/// The first seed below that number on which a planted fault is found, and how.
pub(crate) fn finds(bug: Bug, seeds: u64) -> Option<(u64, String)> {
    plant(Some(bug));
    let found = (0..seeds).find_map(|seed| Some((seed, run(seed, &Settings::default()).failure?)));
    plant(None);
    found
}

fn live(world: &mut World, plan: &Plan, headless: bool) -> Option<String> {
    begin(world, plan);
    until(world, plan.until, |_| false);
    if let Some(failure) = world.model.failure.take() {
        return Some(failure);
    }
    if plan.mild && world.model.false_deaths > 0 {
        return Some("V9: a node was declared dead in mild weather, and lived".to_owned());
    }
    world.network.heal();
    world.puts_out();
    if headless {
        return outlive(world);
    }
    let end = world.clock.now() + WELL_WITHIN;
    let drains = world.extras.drains;
    until(world, end, |world| checks::is_well(&world.nodes, HEAD, drains).is_ok());
    let well = checks::is_well(&world.nodes, HEAD, drains).err();
    if let Some(failure) = world.model.failure.take().or(well) {
        return Some(failure);
    }
    let all: Vec<_> = world.nodes.keys().copied().collect();
    for id in all {
        if let Some(node) = world.nodes.get_mut(&id) {
            node.host.close(&mut world.model);
            world.carry_out(id, None);
        }
    }
    let end = world.clock.now() + EMPTY_WITHIN;
    until(world, end, |world| checks::is_empty(&world.nodes).is_ok());
    let left = checks::is_empty(&world.nodes).err();
    world.model.failure.take().or(left)
}

/// The head ends, and nobody is told: all others end too, within what its silence may last.
fn outlive(world: &mut World) -> Option<String> {
    world.nodes.remove(&HEAD);
    world.model.ended.insert(HEAD);
    let end = world.clock.now() + ALONE_WITHIN;
    until(world, end, |world| world.nodes.is_empty());
    let left = world.nodes.keys().next().map(|id| format!("V7: {id} lives on without its head"));
    world.model.failure.take().or(left)
}

fn begin(world: &mut World, plan: &Plan) {
    let head = world.member();
    world.enter(HEAD, Welcome { head: HEAD, version: 1, members: vec![head], gone: Vec::new() });
    (1..plan.nodes).for_each(|_| world.join(false));
    for (at, fault) in &plan.faults {
        world.clock.at(*at, Happening::Fault(*fault));
    }
    if world.extras.hostile {
        world.clock.after(TURNS_AFTER, Happening::Turn);
    }
    world.clock.after(LOOK_EVERY, Happening::Look);
}

/// Runs on until that moment, until something is wrong, or until it has been `enough` for a while.
fn until(world: &mut World, end: Moment, enough: impl Fn(&World) -> bool) {
    let mut stays = 0;
    let mut look = world.clock.now() + LOOK_EVERY;
    while world.clock.now() < end && world.model.failure.is_none() && stays < STAYS {
        let Some(what) = world.step() else { return };
        world.befalls(what);
        if world.clock.now() >= look {
            look = world.clock.now() + LOOK_EVERY;
            stays = if enough(world) { stays + 1 } else { 0 };
            world.look_for_the_unaware();
            world.nodes.values().for_each(|node| checks::is_bounded(node, &mut world.model));
        }
    }
}

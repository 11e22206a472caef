//! Random programs of nested tasks against a sequential model, and random requests against totals.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{all_clear, eventually, value};
use proptest::prelude::*;
use raykit::Config;
use raykit::prelude::*;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// A program: what one task does.
#[object]
#[derive(Debug)]
enum Plan {
    Value(i64),
    Fails(i64),
    Panics(i64),
    /// The sum of all children, by `get`.
    Sum(Vec<Plan>),
    /// The sum of all children, each awaited by `wait` and `as_completed`; errors count as -1.
    SumOfReady(Vec<Plan>),
    /// The child's reference is the argument of two more calls.
    Argument(Box<Plan>),
    /// -1 where the child fails.
    Caught(Box<Plan>),
    /// The child's value is put into the store, inside other values, and read by another task.
    Stored(Box<Plan>),
    /// The children's references are dropped.
    Forgotten(Vec<Plan>, Box<Plan>),
    /// The child is cancelled after some time.
    Cancelled(Box<Plan>, u8, Box<Plan>),
    /// The child is called from a future.
    Future(Box<Plan>),
    /// The child is asked to run on half a CPU.
    Half(Box<Plan>),
    /// The child fails at first, and is tried again.
    Flaky(Box<Plan>),
}

/// The value, or the number of the error.
type Outcome = Result<i64, i64>;

fn model(plan: &Plan) -> Outcome {
    match plan {
        Plan::Value(n) => Ok(*n),
        Plan::Fails(n) | Plan::Panics(n) => Err(*n),
        Plan::Sum(plans) => {
            plans.iter().map(model).try_fold(0_i64, |sum, n| Ok(sum.wrapping_add(n?)))
        }
        Plan::SumOfReady(plans) => {
            let values = plans.iter().map(|plan| model(plan).unwrap_or(-1));
            Ok(values.fold(0, i64::wrapping_add))
        }
        Plan::Argument(plan) => model(plan).map(|n| n.wrapping_mul(2)),
        Plan::Caught(plan) => Ok(model(plan).unwrap_or(-1)),
        Plan::Forgotten(_, plan) | Plan::Cancelled(_, _, plan) => model(plan),
        Plan::Stored(plan) | Plan::Future(plan) | Plan::Half(plan) | Plan::Flaky(plan) => {
            model(plan)
        }
    }
}

#[remote]
fn run(plan: Plan) -> anyhow::Result<i64> {
    Ok(match &plan {
        Plan::Value(n) => *n,
        Plan::Fails(n) => anyhow::bail!("<{n}>"),
        Plan::Panics(n) => panic!("<{n}>"),
        Plan::Sum(plans) => {
            let refs: Vec<_> = plans.iter().map(called).collect();
            raykit::get(&refs)?.into_iter().fold(0, i64::wrapping_add)
        }
        Plan::SumOfReady(plans) => {
            let refs: Vec<_> = plans.iter().map(called).collect();
            let half = raykit::wait(&refs).at_least(plans.len() / 2).get()?;
            assert_eq!(half.done.len() + half.pending.len(), plans.len());
            let values = raykit::as_completed(&refs).map(|done| done.get().unwrap_or(-1));
            values.fold(0, i64::wrapping_add)
        }
        Plan::Argument(plan) => {
            let child = called(plan);
            add::remote(&child, add::remote(&child, 0)).get()?
        }
        Plan::Caught(plan) => called(plan).get().unwrap_or(-1),
        Plan::Stored(plan) => {
            let stored = raykit::put(vec![Some(called(plan)), None])?;
            let nested = raykit::put((1_u8, stored))?;
            reads::remote(nested).get()?
        }
        Plan::Forgotten(plans, plan) => {
            plans.iter().for_each(|plan| drop(called(plan)));
            called(plan).get()?
        }
        Plan::Cancelled(cancelled, pause, plan) => {
            let child = called(cancelled);
            let after = raykit::put(1_i64).map(|one| add::remote(&child, one))?;
            let result = called(plan);
            (0..*pause).for_each(|_| std::thread::yield_now());
            let won = child.cancel();
            match (child.get(), model(cancelled)) {
                (Err(error), _) if won => anyhow::ensure!(error.is_cancelled(), "not: {error}"),
                (Ok(found), Ok(wanted)) => anyhow::ensure!(found == wanted && !won, "{found}"),
                (Err(found), Err(wanted)) => {
                    anyhow::ensure!(number(&found) == wanted, "wrong: {found}");
                }
                (found, wanted) => anyhow::bail!("{found:?} instead of {wanted:?}"),
            }
            anyhow::ensure!(after.get().is_ok() == child.get().is_ok(), "the dependant");
            result.get()?
        }
        Plan::Future(plan) => awaits::remote(&**plan).get()?,
        Plan::Half(plan) => run::options().num_cpus(0.5).remote(&**plan).get()?,
        Plan::Flaky(plan) => flaky::remote(&**plan).get()?,
    })
}

fn called(plan: &Plan) -> ObjectRef<i64> {
    run::remote(plan)
}

#[remote]
fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

#[remote]
fn reads(nested: (u8, ObjectRef<Vec<Option<ObjectRef<i64>>>>)) -> anyhow::Result<i64> {
    let stored = nested.1.shared()?;
    let inner = stored[0].as_ref().expect("it was put there");
    Ok(inner.get()?)
}

#[remote]
async fn awaits(plan: Plan) -> Result<i64, raykit::Error> {
    let child = called(&plan);
    tokio::task::yield_now().await;
    child.await
}

#[remote(max_retries = 1, retry_on = first)]
fn flaky(plan: &Plan) -> anyhow::Result<i64> {
    anyhow::ensure!(raykit::context().attempt() > 0, "first attempt");
    Ok(called(plan).get()?)
}

fn first(error: &raykit::Error) -> bool {
    error.message() == "first attempt"
}

/// The number that the cause of an error carries through all the tasks that passed it on.
fn number(error: &raykit::Error) -> i64 {
    let text = format!("{error:?}");
    let at = text.find('<').unwrap_or_else(|| panic!("another error: {text}"));
    let end = text[at..].find('>').expect("a number has an end") + at;
    text[at + 1..end].parse().unwrap_or_else(|_| panic!("another error: {text}"))
}

fn plans() -> impl proptest::strategy::Strategy<Value = Plan> {
    let leaf = prop_oneof![
        6 => any::<i64>().prop_map(Plan::Value),
        1 => (0..100_i64).prop_map(Plan::Fails),
        1 => (100..200_i64).prop_map(Plan::Panics),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let list = prop::collection::vec(inner, 0..5);
        prop_oneof![
            4 => list.clone().prop_map(Plan::Sum),
            2 => list.clone().prop_map(Plan::SumOfReady),
            2 => boxed.clone().prop_map(Plan::Argument),
            2 => boxed.clone().prop_map(Plan::Caught),
            2 => boxed.clone().prop_map(Plan::Stored),
            1 => (list, boxed.clone()).prop_map(|(list, plan)| Plan::Forgotten(list, plan)),
            2 => (boxed.clone(), 0..20_u8, boxed.clone())
                .prop_map(|(cancelled, pause, plan)| Plan::Cancelled(cancelled, pause, plan)),
            1 => boxed.clone().prop_map(Plan::Future),
            1 => boxed.clone().prop_map(Plan::Half),
            1 => boxed.prop_map(Plan::Flaky),
        ]
    })
}

/// Panics are a part of these programs; their messages would only fill the screen.
fn hush() {
    static HUSH: LazyLock<()> = LazyLock::new(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = std::thread::current().name().is_some_and(|name| name.starts_with("raykit"));
            if !ours {
                before(info);
            }
        }));
    });
    *HUSH;
}

fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn check(cpus: usize, encode: bool, programs: &[Plan]) -> Result<(), TestCaseError> {
    hush();
    let config = Config::new().num_cpus(cpus);
    let config = if encode { config.always_encode(true) } else { config };
    let node = config.start().unwrap();
    let _here = node.enter();
    let refs: Vec<_> = programs.iter().map(called).collect();
    for (plan, reference) in programs.iter().zip(&refs) {
        let found = value(reference).map_err(|error| number(&error));
        prop_assert_eq!(found, model(plan), "of {:?}", plan);
    }
    drop(refs);
    all_clear(cpus);
    Ok(())
}

proptest! {
    #![proptest_config(settings(150))]

    /// S8, R30: whatever a program does, its values are the model's, and nothing is left of it.
    #[test]
    fn programs_do_what_the_model_says(
        programs in prop::collection::vec(plans(), 1..4),
        cpus in 1..3_usize,
        encode in any::<bool>(),
    ) {
        check(cpus, encode, &programs)?;
    }
}

/// What one task asks for: halves of CPUs and GPUs, memory, tenths of a named resource.
type Ask = (u8, u8, u8, u8);

static HELD: [AtomicI64; 4] = [const { AtomicI64::new(0) }; 4];
static MOST: [AtomicI64; 4] = [const { AtomicI64::new(0) }; 4];

#[remote]
fn holds(ask: Ask, nested: bool) -> Result<bool, raykit::Error> {
    let amounts = [ask.0, ask.1, ask.2, ask.3].map(i64::from);
    for (at, amount) in amounts.iter().enumerate() {
        let now = HELD[at].fetch_add(*amount, Ordering::SeqCst) + amount;
        MOST[at].fetch_max(now, Ordering::SeqCst);
    }
    std::thread::yield_now();
    for (at, amount) in amounts.iter().enumerate() {
        HELD[at].fetch_sub(*amount, Ordering::SeqCst);
    }
    // Waits only when it is no longer counted: a task that waits gives its CPU back.
    if nested { call((1, 0, 0, 0), false).get() } else { Ok(true) }
}

fn call(ask: Ask, nested: bool) -> ObjectRef<bool> {
    holds::options()
        .num_cpus(f64::from(ask.0) / 2.0)
        .num_gpus(f64::from(ask.1) / 2.0)
        .memory(u64::from(ask.2))
        .resource("r", f64::from(ask.3) / 10.0)
        .remote(ask, nested)
}

proptest! {
    #![proptest_config(settings(100))]

    /// S8: no sum of what runs together exceeds a total, and all of it comes back.
    #[test]
    fn requests_never_exceed_the_totals(
        asks in prop::collection::vec(((0..5_u8, 0..3_u8, 0..4_u8, 0..8_u8), any::<bool>()), 1..60),
        cancelled in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let node = Config::new().num_cpus(2).num_gpus(1.0).memory(3).resource("r", 0.7).start();
        let node = node.unwrap();
        let _here = node.enter();
        MOST.iter().for_each(|most| most.store(0, Ordering::SeqCst));
        let refs: Vec<_> = asks.iter().map(|(ask, nested)| call(*ask, *nested)).collect();
        for index in &cancelled {
            // It may be done already.
            let _ = refs[index.index(refs.len())].cancel();
        }
        for reference in &refs {
            match value(reference) {
                Ok(done) => prop_assert!(done),
                Err(error) => prop_assert!(error.to_string().contains("cancelled"), "{}", error),
            }
        }
        for (most, total) in MOST.iter().zip([4, 2, 3, 7]) {
            let most = most.load(Ordering::SeqCst);
            prop_assert!(most <= total, "{} of {}", most, total);
        }
        drop(refs);
        all_clear(2);
        eventually("all resources are free", || {
            let stats = raykit::stats().unwrap();
            (stats.gpus_free, stats.memory_free) == (1.0, 3)
                && stats.resources_free == [("r".to_owned(), 0.7)]
        });
    }
}

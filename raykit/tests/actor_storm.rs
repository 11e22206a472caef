//! Very many actors, killed at random while they call each other: everything resolves, nothing is
//! left, and what a sequential model promises holds.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{all_clear, eventually, node, ready};
use proptest::prelude::*;
use raykit::prelude::*;
use std::sync::atomic::{AtomicI64, Ordering};

static STATES: AtomicI64 = AtomicI64::new(0);

/// An account that knows another one.
#[remote]
struct Account {
    balance: i64,
    other: Option<raykit::WeakHandle<AccountHandle>>,
}

impl Drop for Account {
    fn drop(&mut self) {
        STATES.fetch_sub(1, Ordering::SeqCst);
    }
}

#[remote]
impl Account {
    pub fn new(balance: i64) -> Self {
        STATES.fetch_add(1, Ordering::SeqCst);
        Account { balance, other: None }
    }
    pub fn know(&mut self, other: AccountHandle) {
        self.other = Some(other.downgrade());
    }
    pub fn add(&mut self, by: i64) -> i64 {
        self.balance += by;
        self.balance
    }
    pub fn balance(&self) -> i64 {
        self.balance
    }
    pub async fn add_later(&mut self, by: i64) -> i64 {
        tokio::task::yield_now().await;
        self.balance += by;
        self.balance
    }
    /// A call of another actor inside of this one's; it fails if that one is gone.
    pub fn both(&mut self, by: i64) -> Result<i64, raykit::Error> {
        self.balance += by;
        match self.other.as_ref().and_then(|other| other.upgrade()) {
            Some(other) => other.add(by).get(),
            None => Ok(self.balance),
        }
    }
    pub fn breaks(&mut self) -> i64 {
        std::panic::resume_unwind(Box::new("a fault without a message on the terminal"))
    }
}

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// 10,000 actors, and a kill, a crash or a dropped handle for every twentieth call. (A23, A24)
#[test]
fn a_storm_leaves_nothing_behind() {
    const ACTORS: usize = 10_000;
    const CALLS: usize = 40_000;
    let node = node(2);
    let _here = node.enter();
    let mut seed = 0x9E37_79B9_7F4A_7C15;
    let mut actors: Vec<Option<AccountHandle>> = (0..ACTORS)
        .map(|at| Some(Account::options().max_restarts((at % 3) as u32).remote(0)))
        .collect();
    for at in 0..ACTORS {
        let (Some(one), Some(two)) = (&actors[at], &actors[(at + 1) % ACTORS]) else { continue };
        one.know(two.clone()).forget();
    }
    let mut refs = Vec::with_capacity(CALLS);
    for call in 0..CALLS {
        let at = next(&mut seed) as usize % ACTORS;
        let Some(actor) = &actors[at] else { continue };
        refs.push(match next(&mut seed) % 4 {
            0 => actor.add(1),
            1 => actor.balance(),
            2 => actor.add_later(1),
            _ => actor.both(1),
        });
        if call % 20 == 0 {
            match next(&mut seed) % 4 {
                0 => drop(actor.kill()),
                1 => drop(actor.kill_and_restart()),
                2 => refs.push(actor.breaks()),
                _ => actors[at] = None,
            }
        }
    }
    let mut died = 0;
    for reference in &refs {
        ready(reference);
        if let Err(error) = reference.get() {
            let expected = error.is_actor_died() || error.is_actor_unavailable();
            // A call that another actor made fails as a task whose message tells the actor's.
            let nested = error.is_task_error() && error.to_string().contains("actor `");
            // A chain of actors that wait for each other takes a thread for each.
            let spent = error.kind() == raykit::ErrorKind::ThreadsExhausted
                || error.to_string().contains("threads of the node are waiting");
            assert!(
                expected || nested || spent || error.is_panic() || error.is_deadlock(),
                "{error}"
            );
            died += 1;
        }
    }
    assert!(died > 0 && died < refs.len() / 2, "{died} of {} failed", refs.len());
    drop((actors, refs));
    eventually("no actor is left", || raykit::stats().unwrap().actors == 0);
    eventually("no state is left", || STATES.load(Ordering::SeqCst) == 0);
    all_clear(2);
}

/// One step of a random program about one actor.
#[derive(Clone, Debug)]
enum Step {
    Add(i64),
    AddLater(i64),
    Read,
    Break,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_i64..10).prop_map(Step::Add),
        2 => (1_i64..10).prop_map(Step::AddLater),
        2 => Just(Step::Read),
        1 => Just(Step::Break),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// I17: calls of one caller against a sequential model: each answer is that of the model, or an
    /// error that the model allows; with every crash the state begins anew, and there are no more
    /// of them than `max_restarts`.
    #[test]
    fn calls_of_one_caller_follow_the_model(
        steps in prop::collection::vec(step(), 1..60),
        max_restarts in 0_u32..4,
        cpus in 1_usize..3,
    ) {
        let node = node(cpus);
        let _here = node.enter();
        let account = Account::options().max_restarts(max_restarts).remote(100);
        ready(&account.ready());
        let (mut balance, mut left, mut dead) = (100, max_restarts, false);
        for step in steps {
            let (answer, expected) = match step {
                Step::Add(by) => {
                    balance += by;
                    (account.add(by), balance)
                }
                Step::AddLater(by) => {
                    balance += by;
                    (account.add_later(by), balance)
                }
                Step::Read => (account.balance(), balance),
                Step::Break | Step::Restart => {
                    match step {
                        Step::Break => {
                            let broken = account.breaks().get().unwrap_err();
                            let fits = (dead, broken.is_actor_died(), broken.is_panic());
                            prop_assert!(matches!(fits, (true, true, _) | (false, _, true)));
                        }
                        _ => {
                            // What runs before it has been answered: there is a life to end.
                            ready(&account.balance());
                            prop_assert_eq!(account.kill_and_restart(), !dead);
                        }
                    }
                    dead |= left == 0;
                    left = left.saturating_sub(1);
                    balance = 100;
                    continue;
                }
            };
            match answer.get() {
                Ok(value) => prop_assert!(!dead && value == expected, "{value} for {expected}"),
                Err(error) => prop_assert!(dead && error.is_actor_died(), "{error}"),
            }
        }
        prop_assert_eq!(account.restarts(), u64::from(max_restarts - left));
        drop(account);
        all_clear(cpus);
    }
}

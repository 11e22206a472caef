//! Virtual actors: one for each key, there when it is called.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;

use common::{Gate, all_clear, error, eventually, node, note, pass, ready, value};
use raykit::prelude::*;
use raykit::{ErrorKind, VirtualActors};
use std::sync::atomic::{AtomicI64, Ordering};

/// Notes its starts and ends.
#[remote]
struct Session {
    log: u64,
    user: i64,
    n: i64,
}

/// How many sessions of this user are alive, so that there are never two.
static ALIVE: [AtomicI64; 64] = [const { AtomicI64::new(0) }; 64];

#[remote]
impl Session {
    pub fn new(log: u64, user: i64) -> Self {
        assert_eq!(ALIVE[user as usize].fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        note(log, user);
        Session { log, user, n: 0 }
    }

    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }

    pub fn held(&mut self, gate: u64) -> i64 {
        pass(gate);
        self.n
    }

    pub fn panics(&mut self) -> i64 {
        panic!("on purpose")
    }

    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        let user = self.user;
        (0..3).map(move |x| 100 * user + x)
    }

    #[remote(num_returns = 2)]
    pub fn both(&self) -> (i64, i64) {
        (self.user, self.n)
    }

    #[remote(on_stop)]
    async fn leave(&mut self) {
        note(self.log, -self.user);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        ALIVE[self.user as usize].fetch_sub(1, Ordering::SeqCst);
    }
}

fn sessions(log: u64) -> VirtualActors<i64, SessionHandle> {
    VirtualActors::new(move |user: &i64| Session::remote(log, *user))
}

#[remote]
fn adds(session: SessionHandle, times: i64) -> Result<i64, raykit::Error> {
    let sums: Vec<_> = (0..times).map(|_| session.add(1)).collect();
    sums.last().unwrap().get()
}

#[test]
fn an_actor_is_there_when_it_is_called() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let _here = node.enter();
        let log = Gate::new();
        let sessions = sessions(log.id);
        let (first, second) = (sessions.get(1), sessions.get(2));
        assert_eq!((sessions.active(), log.notes()), (0, vec![]), "a handle makes nothing");
        assert!(!first.is_alive() && first.id().is_none() && !first.kill() && !first.stop());
        assert_eq!(error(&first.ended()).kind(), ErrorKind::ActorNotFound);
        assert_eq!(value(&first.add(5)).unwrap(), 5);
        assert!(first.is_alive() && first.id().is_some());
        assert_eq!((sessions.active(), log.notes()), (1, vec![1]));
        assert_eq!(sessions.get(1), first, "handles of one key are equal");
        assert_ne!(first, second);
        assert_eq!(value(&sessions.get(1).add(1)).unwrap(), 6, "and lead to one actor");
        let numbers: Vec<i64> = second.numbers().map(|item| item.get().unwrap()).collect();
        assert_eq!(numbers, [200, 201, 202]);
        let (user, n) = first.both();
        assert_eq!((value(&user).unwrap(), value(&n).unwrap()), (1, 6));
        assert_eq!(value(&adds::remote(&first, 4)).unwrap(), 10, "a handle is a value");
        ready(&second.ready());
        let end = first.ended();
        assert!(first.stop());
        ready(&end);
        assert_eq!(value(&first.add(1)).unwrap(), 1, "the next one");
        drop((sessions, first, second, user, n, end));
        eventually("all end", || log.notes().iter().filter(|note| **note < 0).count() == 3);
        all_clear(cpus);
    }
}

#[test]
fn who_is_idle_goes_and_who_is_not_stays() {
    let node = node(2);
    let _here = node.enter();
    let (log, gate) = (Gate::new(), Gate::new());
    let sessions = sessions(log.id).idle_after(millis(2));
    let (busy, idle) = (sessions.get(3), sessions.get(4));
    let held = busy.held(gate.id);
    assert_eq!(value(&idle.add(1)).unwrap(), 1);
    eventually("the idle one goes", || log.notes().contains(&-4));
    assert_eq!(sessions.active(), 1);
    assert!(!log.notes().contains(&-3), "the busy one stays");
    gate.open();
    assert_eq!(value(&held).unwrap(), 0);
    eventually("it goes too", || log.notes().contains(&-3) && sessions.active() == 0);
    assert_eq!(value(&idle.add(1)).unwrap(), 1, "and is there again when it is called");
    drop((sessions, busy, idle, held));
    all_clear(2);
}

/// However often it goes while many call it, no call is lost and there is one at a time: the
/// constructor asserts that.
#[test]
fn no_call_is_lost_while_actors_come_and_go() {
    let node = node(2);
    let _here = node.enter();
    let log = Gate::new();
    let sessions = sessions(log.id).idle_after(millis(1));
    #[remote]
    fn calls(session: SessionHandle, times: usize) -> Result<i64, raykit::Error> {
        let each = (0..times).map(|_| session.add(1).get());
        each.sum()
    }
    let callers: Vec<_> = (0..6).map(|at| calls::remote(sessions.get(5 + at % 3), 100)).collect();
    let mut refs = Vec::new();
    for at in 0..600_i64 {
        refs.push(sessions.get(5 + at % 3).add(1));
        if at % 5 == 0 {
            sessions.passivate(5 + at % 3);
        }
    }
    for reference in &refs {
        assert!(value(reference).unwrap() >= 1);
    }
    for caller in &callers {
        assert!(value(caller).unwrap() >= 100);
    }
    let starts = log.notes().iter().filter(|note| **note > 0).count();
    assert!(starts >= 3, "{starts}");
    drop((sessions, refs, callers));
    all_clear(2);
}

/// Whose state is kept when it goes.
#[object]
#[remote(checkpoint_every = 0, max_restarts = 1)]
struct Account {
    log: u64,
    cents: i64,
}

#[remote]
impl Account {
    pub fn new(log: u64) -> Self {
        note(log, 1);
        Account { log, cents: 0 }
    }

    pub fn pay(&mut self, cents: i64) -> i64 {
        self.cents += cents;
        self.cents
    }

    pub fn panics(&mut self) -> i64 {
        self.cents += 1_000;
        panic!("on purpose")
    }

    #[remote(on_stop)]
    fn books(&mut self) {
        self.cents += 1; // what is done here is kept too
        note(self.log, -self.cents);
    }
}

#[test]
fn a_state_that_is_kept_goes_on_in_the_next_actor() {
    let node = node(2);
    let _here = node.enter();
    let log = Gate::new();
    let id = log.id;
    let accounts = VirtualActors::new(move |_: &String| Account::remote(id));
    let ada: AccountHandle = accounts.get("ada");
    assert_eq!(value(&ada.pay(5)).unwrap(), 5);
    for sum in [6, 13, 20] {
        let end = ada.ended();
        assert!(accounts.passivate("ada"));
        if sum == 6 {
            ready(&end); // at other times the next one waits by itself
        }
        assert_eq!(value(&ada.pay(6)).unwrap(), sum + 6);
    }
    assert_eq!(log.notes(), [1, -6, -13, -20], "one constructor");
    // After a crash it is the state as it was kept last.
    value(&ada.checkpoint()).unwrap();
    assert_eq!(value(&ada.pay(1)).unwrap(), 27);
    assert!(error(&ada.panics()).is_panic());
    assert_eq!(value(&ada.pay(1)).unwrap(), 27);
    assert!(ada.kill());
    assert_eq!(value(&ada.pay(2)).unwrap(), 28);
    let bob = accounts.get("bob");
    assert_eq!(value(&bob.pay(1)).unwrap(), 1, "a state of one's own");
    drop((accounts, ada, bob));
    eventually("nothing is left", || raykit::stats().unwrap().actors == 0);
    all_clear(2);
}

#[test]
fn one_that_died_is_made_anew() {
    let node = node(1);
    let _here = node.enter();
    let log = Gate::new();
    let sessions = sessions(log.id);
    let session = sessions.get(9);
    assert_eq!(value(&session.add(3)).unwrap(), 3);
    assert!(error(&session.panics()).is_panic());
    eventually("it has died", || !session.is_alive());
    assert_eq!(value(&session.add(4)).unwrap(), 4);
    assert!(session.kill());
    assert_eq!(value(&session.add(5)).unwrap(), 5);
    assert_eq!(log.notes(), [9, 9, 9]);
    drop((sessions, session));
    all_clear(1);
}

#[test]
fn making_that_goes_wrong_is_an_error_of_the_call() {
    let node = node(1);
    let _here = node.enter();
    let panics: VirtualActors<i64, SessionHandle> =
        VirtualActors::new(|key: &i64| panic!("no actor for {key}, on purpose"));
    let failed = error(&panics.get(1).add(1));
    assert!(failed.is_panic() && failed.to_string().contains("no actor for 1"), "{failed}");
    let others = sessions(Gate::new().id);
    let nested = VirtualActors::new(move |key: &i64| others.get(*key + 20));
    assert_eq!(error(&nested.get(1).add(1)).kind(), ErrorKind::Config);
    static SELF: std::sync::OnceLock<VirtualActors<i64, SessionHandle>> =
        std::sync::OnceLock::new();
    let calls_itself = SELF.get_or_init(|| {
        VirtualActors::new(|key: &i64| {
            let inner = SELF.get().unwrap().get(*key).add(1).get();
            assert_eq!(inner.unwrap_err().kind(), ErrorKind::Deadlock);
            Session::remote(Gate::new().id, *key)
        })
    });
    assert_eq!(value(&calls_itself.get(30).add(1)).unwrap(), 1);
}

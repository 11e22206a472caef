//! `Hands`: what all tasks on the road's thread share. The driver and its road are behind one lock,
//! which only that thread takes and nobody holds across a wait.

use super::authority::Authority;
use super::endpoint::Doors;
use super::failures::Failures;
use super::name::Role;
use super::near::Near;
use super::road::{Bulk, Driver, Order, Road};
use super::tls::Wallet;
use super::turned::TurnedAway;
use crate::base::NodeId;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

pub(super) struct Hands {
    core: Mutex<Core>,
    /// The clock has to be set to something earlier.
    pub(super) rearm: Notify,
    /// There is a link to the head, where there was none.
    pub(super) headed: Notify,
    /// There are orders.
    pub(super) ordered: Notify,
    pub(super) wallet: Arc<Wallet>,
    pub(super) authority: Option<Arc<Mutex<Authority>>>,
    pub(super) doors: Doors,
    /// What it shares with others of its host.
    pub(super) near: Option<Near>,
    /// Tells this process from an earlier one of the same id.
    pub(super) incarnation: u64,
    /// Where the socket for signs of life listens; 0 where there is none.
    pub(super) pulse_port: u16,
    /// Who has failed to join of late.
    pub(super) failures: Mutex<Failures>,
    /// All that were turned away.
    pub(super) turned_away: TurnedAway,
}

struct Core {
    driver: Box<dyn Driver>,
    road: Road,
    /// What the clock is set to: the deadline, or something before it.
    armed: Option<Instant>,
}

impl Hands {
    /// Called within the road's runtime.
    pub(super) fn new(
        driver: Box<dyn Driver>,
        wallet: Arc<Wallet>,
        authority: Option<Arc<Mutex<Authority>>>,
        doors: Doors,
        incarnation: u64,
        pulse_port: u16,
    ) -> Hands {
        let road = Road::new(wallet.identity().name.node);
        let near = Near::open(&*driver);
        Hands {
            core: Mutex::new(Core { driver, road, armed: None }),
            rearm: Notify::new(),
            headed: Notify::new(),
            ordered: Notify::new(),
            wallet,
            authority,
            doors,
            near,
            incarnation,
            pulse_port,
            failures: Mutex::default(),
            turned_away: TurnedAway::default(),
        }
    }

    /// Lets the driver act, and sees to what it wants done afterwards.
    pub(super) fn drive<R>(&self, act: impl FnOnce(&mut dyn Driver, &mut Road) -> R) -> R {
        let mut core = self.core.lock();
        let Core { driver, road, armed } = &mut *core;
        let result = act(&mut **driver, road);
        // A later deadline is found when the clock comes to the earlier one. Most are put off with
        // each packet, and to set the clock takes a system call.
        if let Some(at) = driver.deadline()
            && armed.is_none_or(|armed| at < armed)
        {
            *armed = Some(at);
            self.rearm.notify_one();
        }
        if !road.orders.is_empty() {
            self.ordered.notify_one();
        }
        result
    }

    /// Looks at the table, or changes it, without the driver.
    pub(super) fn road<R>(&self, act: impl FnOnce(&mut Road) -> R) -> R {
        act(&mut self.core.lock().road)
    }

    pub(super) fn admit(&self, role: Role, asks: &[u8]) -> Result<(NodeId, Vec<u8>), String> {
        self.drive(|driver, _| driver.admit(role, asks))
    }

    pub(super) fn serve(&self, peer: NodeId, request: &[u8]) -> Option<Box<dyn Bulk>> {
        self.drive(|driver, road| match road.is_fenced(peer) {
            true => None,
            false => driver.serve(peer, road.role(peer), request),
        })
    }

    /// Where that lies in shared memory, for a peer to which there is a link.
    #[cfg(target_os = "linux")]
    pub(super) fn share(&self, peer: NodeId, request: &[u8]) -> Option<crate::shm::Share> {
        self.drive(|driver, road| match road.is_linked(peer) && !road.is_fenced(peer) {
            true => driver.share(peer, request),
            false => None,
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.lock().armed
    }

    /// The clock has come to where it was set: calls `overdue` if the deadline has passed, and sets
    /// it anew.
    pub(super) fn tick(&self, now: Instant) {
        self.core.lock().armed = None;
        self.drive(|driver, road| {
            if driver.deadline().is_some_and(|at| at <= now) {
                driver.overdue(road);
            }
        });
    }

    pub(super) fn orders(&self) -> Vec<Order> {
        std::mem::take(&mut self.core.lock().road.orders)
    }
}

//! `Net`: the one thread of the road, with the runtime on it, seen from other threads.

use super::accept::{self, Hall};
use super::authority::Authority;
use super::bulk;
use super::endpoint::{Doors, Pace, farewell};
use super::hands::Hands;
use super::identity::Identity;
use super::leaving::Leaving;
use super::link;
use super::pulse;
use super::renew;
use super::road::{Code, Driver, Order, no_link};
use super::secret::random;
use super::tls::Wallet;
use crate::base::limits::net::{LAST_WORD_MS, PANIC_PAUSE_MS};
use crate::object::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use quinn::Connection;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};

/// Tells the driver that there is something for it to look at.
#[derive(Clone)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    /// The driver's `rung` is called soon; once for any number of rings before that.
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }
}

/// The road between this node and others. Dropped without `close`, it falls silent.
pub(crate) struct Net {
    addresses: Vec<SocketAddr>,
    bell: Bell,
    wallet: Arc<Wallet>,
    authority: Option<Arc<Mutex<Authority>>>,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    /// For how long to go on sending what waits.
    grace: Mutex<Option<Duration>>,
    asked: Notify,
}

impl Net {
    /// Starts the thread, which listens on `listen` and lets `driver` decide. With an authority it
    /// is the head, which others may join.
    pub(crate) fn start(
        identity: Identity,
        authority: Option<Authority>,
        listen: &[SocketAddr],
        driver: impl Driver,
    ) -> Result<Net> {
        Net::start_at(identity, authority, listen, driver, Pace::default())
    }

    pub(super) fn start_at(
        identity: Identity,
        authority: Option<Authority>,
        listen: &[SocketAddr],
        driver: impl Driver,
        pace: Pace,
    ) -> Result<Net> {
        let name = format!("raykit-{}-net", identity.name.node);
        let authority = authority.map(|authority| Arc::new(Mutex::new(authority)));
        let (bell, stop) = (Bell(Arc::new(Notify::new())), Arc::new(Stop::default()));
        let wallet = Wallet::new(identity)?;
        let start = Start {
            wallet: Arc::clone(&wallet),
            authority: authority.clone(),
            listen: listen.to_vec(),
            driver: Box::new(driver),
            pace,
        };
        let (told, tells) = mpsc::sync_channel(1);
        let (rings, stops) = (bell.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            match start.runtime() {
                Ok((runtime, hands, addresses)) => {
                    let _ = told.send(Ok(addresses));
                    run(&runtime, &hands, rings, &stops);
                    // What still waits is dropped, and who waits for bulk bytes is told.
                    drop(runtime);
                }
                Err(error) => drop(told.send(Err(error))),
            }
        })?;
        let panicked = |_| Error::new(ErrorKind::Panic, "the road's thread panicked");
        let addresses = tells.recv().map_err(panicked)??;
        Ok(Net { addresses, bell, wallet, authority, stop, thread: Some(thread) })
    }

    /// Where it listens, in the order of `listen`.
    pub(crate) fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Who this process is, with the certificate that is in force now.
    pub(crate) fn identity(&self) -> Identity {
        self.wallet.identity()
    }

    /// Lets `act` at the authority; `None` where this is not the head.
    pub(crate) fn with_authority<R>(&self, act: impl FnOnce(&mut Authority) -> R) -> Option<R> {
        self.authority.as_ref().map(|authority| act(&mut authority.lock()))
    }

    /// Sends what waits, for at most `grace`, says goodbye to all peers and ends the thread.
    pub(crate) fn close(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        let Some(thread) = self.thread.take() else { return };
        *self.stop.grace.lock() = Some(grace);
        self.stop.asked.notify_one();
        if thread.thread().id() != std::thread::current().id() {
            // A panic there was printed when it happened, and there is nothing to undo.
            let _ = thread.join();
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// What the thread begins with.
struct Start {
    wallet: Arc<Wallet>,
    authority: Option<Arc<Mutex<Authority>>>,
    listen: Vec<SocketAddr>,
    driver: Box<dyn Driver>,
    pace: Pace,
}

impl Start {
    fn runtime(self) -> Result<(Runtime, Arc<Hands>, Vec<SocketAddr>)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let within = runtime.enter();
        let head = self.authority.is_some();
        let doors = Doors::open(&self.wallet, head, &self.listen, self.pace)?;
        let addresses: Vec<SocketAddr> = doors.all().iter().map(|door| door.address).collect();
        let listener = if head { pulse_listener(&addresses) } else { None };
        let port = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let hands = Arc::new(Hands::new(
            self.driver,
            self.wallet,
            self.authority,
            doors,
            u64::from_le_bytes(random()?),
            port.map_or(0, |address| address.port()),
        ));
        if let Some(listener) = listener {
            runtime.spawn(pulse::listen(Arc::clone(&hands), listener));
        }
        let hall = Arc::<Hall>::default();
        for door in hands.doors.all() {
            let (hands, endpoint, hall) =
                (Arc::clone(&hands), door.endpoint.clone(), Arc::clone(&hall));
            runtime.spawn(again("the door", move || {
                accept::keep(Arc::clone(&hands), endpoint.clone(), Arc::clone(&hall))
            }));
        }
        #[cfg(target_os = "linux")]
        super::lend::begin(&hands);
        drop(within);
        Ok((runtime, hands, addresses))
    }
}

/// Beside the first address that is listened on: at the same port, or else at any.
fn pulse_listener(addresses: &[SocketAddr]) -> Option<TcpListener> {
    let first = addresses.first()?;
    let listen = |port| {
        let listener = std::net::TcpListener::bind(SocketAddr::new(first.ip(), port))?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    listen(first.port()).or_else(|_| listen(0)).ok()
}

/// Runs until it is told to stop.
fn run(runtime: &Runtime, hands: &Arc<Hands>, bell: Bell, stop: &Stop) {
    let shared = || Arc::clone(hands);
    let own = shared();
    runtime.spawn(again("the orders", move || obey(Arc::clone(&own))));
    let own = shared();
    runtime.spawn(again("the bell", move || listen_to(Arc::clone(&own), bell.clone())));
    let own = shared();
    runtime.spawn(again("the clock", move || keep_time(Arc::clone(&own))));
    let own = shared();
    runtime.spawn(again("the certificate", move || renew::keep(Arc::clone(&own))));
    runtime.block_on(async {
        stop.asked.notified().await;
        let grace = stop.grace.lock().unwrap_or_default();
        if grace > Duration::ZERO {
            let leaving = hands.road(|road| road.close());
            hands.doors.shut();
            let connections: Vec<_> =
                leaving.iter().map(|leaving| leaving.connection.clone()).collect();
            let gone: JoinSet<()> = leaving.into_iter().map(Leaving::gone).collect();
            let _ = timeout(grace, gone.join_all()).await;
            connections.iter().for_each(|connection| connection.close(Code::Goodbye.into(), b""));
            farewell().await;
        }
    });
}

/// Runs a task of the road's, and runs it again should it panic: one fault, of the driver's or of
/// this room's, does not make the node deaf.
async fn again<F>(what: &'static str, task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(task()).await
        && error.is_panic()
    {
        tracing::error!(what, "a task of the road panicked, and begins again");
        // One that panics at once would keep all others from running.
        tokio::time::sleep(Duration::from_millis(PANIC_PAUSE_MS)).await;
    }
}

/// Does what the driver ordered.
async fn obey(hands: Arc<Hands>) {
    loop {
        hands.ordered.notified().await;
        for order in hands.orders() {
            match order {
                Order::Dial { peer, ticket, addresses } => {
                    tokio::spawn(link::dial(Arc::clone(&hands), peer, ticket, addresses));
                }
                Order::Fetch {
                    link: Some((connection, life)),
                    peer,
                    request,
                    bytes_max,
                    near,
                    done,
                } => {
                    let what = bulk::Wanted { peer, request, bytes_max, near };
                    tokio::spawn(bulk::fetch(Arc::clone(&hands), connection, life, what, done));
                }
                Order::Fetch { link: None, peer, done, .. } => done.call(Err(no_link(peer).into())),
                Order::Cut(connection) => drop(tokio::spawn(cut(connection))),
            }
        }
    }
}

/// Closes the connection to one that was declared dead, once the last packets have gone.
async fn cut(connection: Connection) {
    let _ = timeout(Duration::from_millis(LAST_WORD_MS), connection.closed()).await;
    connection.close(Code::Goodbye.into(), b"declared dead");
}

async fn listen_to(hands: Arc<Hands>, bell: Bell) {
    loop {
        bell.0.notified().await;
        hands.drive(|driver, road| driver.rung(road));
    }
}

async fn keep_time(hands: Arc<Hands>) {
    // The first deadline, which no call has set.
    hands.tick(Instant::now());
    loop {
        let rearmed = hands.rearm.notified();
        match hands.deadline() {
            None => rearmed.await,
            Some(at) => {
                if timeout_at(at.into(), rearmed).await.is_err() {
                    hands.tick(Instant::now());
                }
            }
        }
    }
}

//! Peers on this host: large objects pass in shared memory instead of by the link, and packets by
//! a shortcut.
//!
//! 1. Who wants bytes of a peer for the first time asks it on the link for an invitation, and says
//!    which host it is on. A peer of the same host and user gives the name of its socket and a
//!    secret, which is good once.
//! 2. On the socket the system tells each side which user the other one is, and both show what the
//!    link has told them: so the one at the other end is the one at the other end of the link.
//! 3. From then on `borrow` asks there where things lie, and `lend` answers. Or else one end of the
//!    shortcut is handed over there, and that is all (`shortcut`).
//!
//! Whatever fails, everything comes by the link.

use super::borrow::Line;
use super::framing::{Reader, Writer};
use super::road::Driver;
use super::secret::random;
use super::shortcut::{Place, Shortcut};
use super::streams::{Kind, ask, failed, lost};
use super::whisper::{receive, send, watched, watched_door};
use crate::base::NodeId;
use crate::base::limits::net::HANDSHAKE_MS;
use crate::base::limits::shm::{INVITATIONS_MAX, SEGMENT_IDLE_MS, SHORTCUTS_MAX};
use crate::object::Result;
use crate::object::buffer::Buffer;
use crate::shm::{self, Arena, Door, Pipe, Secret, Socket, Word};
use parking_lot::Mutex;
use quinn::Connection;
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

const HANDSHAKE: Duration = Duration::from_millis(HANDSHAKE_MS);
/// Longer than any answer to the question for an invitation.
const ANSWER_BYTES_MAX: usize = 256;

/// What this node shares with others of its host.
pub(super) struct Near {
    host: u128,
    pub(super) door: AsyncFd<Door>,
    arena: Arc<Arena>,
    invitations: Mutex<HashMap<Secret, Invitation>>,
    /// By peer: the link that was asked on, and what came of it.
    lines: Mutex<HashMap<NodeId, Arc<Tried>>>,
    bells: Arc<Bells>,
    shortcuts: Arc<Semaphore>,
    /// Peers whose shortcut was cut while they lived.
    cut: Mutex<HashSet<NodeId>>,
}

/// Rung by the arena.
#[derive(Default)]
pub(super) struct Bells {
    /// A segment may be gone.
    pub(super) gone: Notify,
    /// One may be empty.
    empty: Notify,
}

/// What the one who comes with the secret is told, so that it knows who has opened.
pub(super) struct Invitation {
    pub(super) peer: NodeId,
    /// Where the shortcut goes that it is to, or else it is to shared memory.
    pub(super) shortcut: Option<Place>,
    pub(super) answer: Secret,
    given: Instant,
}

struct Tried {
    link: usize,
    line: OnceCell<Option<Arc<Line>>>,
}

impl Near {
    /// `None` where nothing can be shared. Called within the road's runtime.
    pub(super) fn open(driver: &dyn Driver) -> Option<Near> {
        let (host, arena) = (shm::host(), driver.arena()?);
        let opened = random().and_then(|name: Secret| {
            let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
            let door = Door::open(format!("raykit-{name}").as_bytes())?;
            Ok(watched_door(door)?)
        });
        let door = opened
            .inspect_err(|error| tracing::warn!(%error, "nothing is shared with this host"))
            .ok()
            .filter(|_| host != 0)?;
        let bells = Arc::<Bells>::default();
        let rung = Arc::clone(&bells);
        arena.set_bell(move || {
            rung.gone.notify_waiters();
            rung.empty.notify_one();
        });
        let (invitations, lines) = (Mutex::default(), Mutex::default());
        let (shortcuts, cut) = (Arc::new(Semaphore::new(SHORTCUTS_MAX)), Mutex::default());
        Some(Near { host, door, arena, invitations, lines, bells, shortcuts, cut })
    }

    pub(super) fn bells(&self) -> &Arc<Bells> {
        &self.bells
    }

    /// Who was given this secret: once.
    pub(super) fn invited(&self, secret: &Secret) -> Option<Invitation> {
        let invitation = self.invitations.lock().remove(secret);
        invitation.filter(|invitation| invitation.given.elapsed() < HANDSHAKE)
    }

    /// The answer to a peer that would like to read here, or to have a shortcut.
    pub(super) fn invite(
        &self,
        peer: NodeId,
        host: &[u8],
        shortcut: Option<Place>,
    ) -> Result<Vec<u8>> {
        if host != self.host.to_le_bytes() {
            return Ok(Vec::new());
        }
        let (secret, answer) = (random()?, random()?);
        let given = Instant::now();
        let mut invitations = self.invitations.lock();
        invitations.retain(|_, invitation| invitation.given.elapsed() < HANDSHAKE);
        if invitations.len() >= INVITATIONS_MAX {
            return Ok(Vec::new());
        }
        invitations.insert(secret, Invitation { peer, shortcut, answer, given });
        let name = self.door.get_ref().name();
        Ok(Writer::default().fixed(&secret).fixed(&answer).sized(name).done())
    }

    /// The line to a peer. It is tried once for each link to it.
    async fn line(&self, connection: &Connection, peer: NodeId) -> Option<Arc<Line>> {
        let link = connection.stable_id();
        let tried = {
            let mut lines = self.lines.lock();
            if connection.close_reason().is_some() {
                return None; // `forget` has been here
            }
            let new = || Arc::new(Tried { link, line: OnceCell::new() });
            let tried = lines.entry(peer).or_insert_with(new);
            if tried.link != link {
                *tried = new();
            }
            Arc::clone(tried)
        };
        let reach = || async {
            let reached = self.reach(connection, Kind::Near).await;
            let reached = reached
                .inspect_err(|error| tracing::debug!(%peer, %error, "nothing is shared"))
                .ok();
            reached.map(|(socket, _)| Line::new(socket))
        };
        tried.line.get_or_init(reach).await.clone()
    }

    /// Asks for an invitation and shows it at the peer's door. The socket there, and the file that
    /// has come with the welcome.
    async fn reach(
        &self,
        connection: &Connection,
        kind: Kind,
    ) -> Result<(AsyncFd<Socket>, Option<OwnedFd>)> {
        let mut answer = ask(connection, kind, &self.host.to_le_bytes()).await?;
        let bytes = answer.read_to_end(ANSWER_BYTES_MAX).await.map_err(lost)?;
        let mut reader = Reader(&bytes);
        let mut read = || Some((reader.fixed()?, reader.fixed()?, reader.sized()?));
        let elsewhere = || failed("the peer is on another host, or another user's");
        let (secret, answer, name): (Secret, Secret, _) = read().ok_or_else(elsewhere)?;
        let socket = watched(Socket::connect(name)?)?;
        send(&socket, &Word::Enter(secret), None).await?;
        match timeout(HANDSHAKE, receive(&socket)).await.map_err(lost)?? {
            Some((Word::Welcome(shown), file)) if shown == answer => Ok((socket, file)),
            _ => Err(failed("somebody else is at the peer's socket")),
        }
    }

    /// The shortcut of a link that this side has dialled; `None` where its packets go by the link.
    pub(super) async fn shorten(
        &self,
        connection: &Connection,
        peer: NodeId,
    ) -> Option<Arc<Shortcut>> {
        let seat = self.seat(peer)?;
        let shortened = async {
            let (_socket, file) = self.reach(connection, Kind::Shortcut).await?;
            let file = file.ok_or_else(|| failed("no end of a socket has come"))?;
            Ok::<_, crate::object::Error>(Shortcut::new(Pipe::from(file), seat)?)
        };
        let shortened = shortened.await;
        shortened.inspect_err(|error| tracing::debug!(%peer, %error, "there is no shortcut")).ok()
    }

    /// Makes the shortcut of a link that was dialled from the other side. The end for that side.
    pub(super) fn halve(&self, peer: NodeId, place: &Place) -> std::io::Result<Pipe> {
        let full = || std::io::Error::other("there are too many shortcuts");
        let seat = self.seat(peer).ok_or_else(full)?;
        let (own, other) = Pipe::pair()?;
        let second = |_| std::io::Error::other("the link has a shortcut");
        place.set(Shortcut::new(own, seat)?).map_err(second)?;
        Ok(other)
    }

    fn seat(&self, peer: NodeId) -> Option<OwnedSemaphorePermit> {
        match self.cut.lock().contains(&peer) {
            true => None,
            false => Arc::clone(&self.shortcuts).try_acquire_owned().ok(),
        }
    }

    /// The shortcut to the peer has ended, and the peer has not: it has no other one.
    pub(super) fn was_cut(&self, peer: NodeId) {
        self.cut.lock().insert(peer);
    }

    /// What a peer has in shared memory; `None` where it has to come by the link.
    pub(super) async fn fetch(
        &self,
        connection: &Connection,
        peer: NodeId,
        request: &[u8],
    ) -> Option<Buffer> {
        let mapped = self.line(connection, peer).await?.ask(request).await?;
        Some(Buffer::full(Box::new(mapped)))
    }

    /// The link to the peer has ended.
    pub(super) fn forget(&self, connection: &Connection, peer: NodeId) {
        let mut lines = self.lines.lock();
        let of_it = lines.get(&peer).is_some_and(|tried| tried.link == connection.stable_id());
        let tried = if of_it { lines.remove(&peer) } else { None };
        drop(lines);
        let line = tried.as_ref().and_then(|tried| tried.line.get()).and_then(Option::as_ref);
        line.into_iter().for_each(|line| line.end());
    }

    /// Lets segments go that nothing was put in for a while, for as long as the road lasts.
    pub(super) async fn trim(&self) {
        loop {
            self.bells.empty.notified().await;
            loop {
                let arena = Arc::clone(&self.arena);
                let trim = move || arena.trim(Duration::from_millis(SEGMENT_IDLE_MS));
                // On another thread, for giving memory back takes long.
                match tokio::task::spawn_blocking(trim).await {
                    Ok(Some(next)) => tokio::time::sleep_until(next.into()).await,
                    _ => break,
                }
            }
        }
    }
}

//! The owner's side of shared memory: tells readers where things lie, and keeps what they read.

use super::hands::Hands;
use super::near::{Bells, Near};
use super::turned::Why;
use super::whisper::{receive, send, watched};
use crate::base::NodeId;
use crate::base::limits::net::{HANDSHAKE_MS, PANIC_PAUSE_MS};
use crate::base::limits::shm::{CLAIMS_MAX, READERS_MAX, SEGMENTS_MAX, UNPROVEN_MAX};
use crate::shm::{Held, Segment, Share, Socket, Word};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// In the place of the address of who knocks: it has none.
const SOCKET: &str = "this host";

/// Begins what runs as long as the road.
pub(super) fn begin(hands: &Arc<Hands>) {
    if hands.near.is_some() {
        tokio::spawn(keep(Arc::clone(hands)));
        tokio::spawn(trim(Arc::clone(hands)));
    }
}

async fn trim(hands: Arc<Hands>) {
    if let Some(near) = &hands.near {
        near.trim().await;
    }
}

/// Takes in who knocks.
async fn keep(hands: Arc<Hands>) {
    let Some(near) = &hands.near else { return };
    let seats = Seats {
        unproven: Arc::new(Semaphore::new(UNPROVEN_MAX)),
        readers: Arc::new(Semaphore::new(READERS_MAX)),
    };
    loop {
        let Ok(mut ready) = near.door.readable().await else { return };
        match ready.try_io(|door| door.get_ref().accept()) {
            Ok(Ok(socket)) => {
                if let Ok(place) = Arc::clone(&seats.unproven).try_acquire_owned() {
                    let readers = Arc::clone(&seats.readers);
                    tokio::spawn(greet(Arc::clone(&hands), socket, place, readers));
                } else {
                    hands.turned_away.add(Why::UnderWay, SOCKET, "");
                }
            }
            Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => {
                hands.turned_away.add(Why::Uninvited, SOCKET, error);
            }
            Ok(Err(error)) => {
                // No file is left, most likely: it would come again at once.
                tracing::warn!(%error, "nobody can be let in to shared memory");
                tokio::time::sleep(Duration::from_millis(PANIC_PAUSE_MS)).await;
            }
            Err(_would_block) => {}
        }
    }
}

/// How many may be in here.
struct Seats {
    unproven: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

async fn greet(
    hands: Arc<Hands>,
    socket: Socket,
    place: OwnedSemaphorePermit,
    readers: Arc<Semaphore>,
) {
    let Some(near) = &hands.near else { return };
    let limit = Duration::from_millis(HANDSHAKE_MS);
    match timeout(limit, enter(near, socket, readers)).await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some((reader, _seat)))) => {
            drop(place);
            let reader = Arc::new(reader);
            let tells = tokio::spawn(tell_gone(Arc::clone(&reader), Arc::clone(near.bells())));
            if let Err(error) = reader.serve(&hands).await {
                tracing::warn!(peer = %reader.peer, %error, "a reader of shared memory is cut off");
            }
            tells.abort();
        }
        Ok(Err(error)) => hands.turned_away.add(Why::Uninvited, SOCKET, error),
        Err(_) => hands.turned_away.add(Why::BrokenOff, SOCKET, "it has said nothing"),
    }
}

/// Lets in who was invited. `None` where that was to a shortcut: its end has been handed over.
async fn enter(
    near: &Near,
    socket: Socket,
    readers: Arc<Semaphore>,
) -> Result<Option<(Reader, OwnedSemaphorePermit)>> {
    let socket = watched(socket)?;
    let word = receive(&socket).await?;
    let invitation = match &word {
        Some((Word::Enter(secret), _)) => near.invited(secret),
        _ => None,
    };
    let stranger = || Error::new(ErrorKind::PermissionDenied, "it was not invited");
    let invitation = invitation.ok_or_else(stranger)?;
    let welcome = Word::Welcome(invitation.answer);
    if let Some(place) = &invitation.shortcut {
        let other = near.halve(invitation.peer, place)?;
        send(&socket, &welcome, Some(other.as_fd())).await?;
        return Ok(None);
    }
    let full = |_| Error::other("there are too many readers of shared memory");
    let seat = readers.try_acquire_owned().map_err(full)?;
    send(&socket, &welcome, None).await?;
    let (told, claims) = (Mutex::default(), Mutex::default());
    Ok(Some((Reader { peer: invitation.peer, socket, told, claims }, seat)))
}

/// Somebody who reads here.
struct Reader {
    peer: NodeId,
    socket: AsyncFd<Socket>,
    /// Segments that it has been given.
    told: Mutex<HashMap<u32, Weak<Segment>>>,
    claims: Mutex<Claims>,
}

/// What is being read, by the numbers of the calls that have asked for it.
#[derive(Default)]
struct Claims {
    held: HashMap<u64, Arc<Held>>,
    /// The reader is gone, and nothing is read any more.
    ended: bool,
}

impl Drop for Claims {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Nobody will hear of it when the reader lets go, so nothing of it is used again.
        let arenas = self.held.values().filter_map(|held| held.arena());
        arenas.for_each(|arena| arena.close());
    }
}

impl Reader {
    /// Until the reader is gone. One that breaks the rules, or cannot be answered, is told nothing
    /// any more, and has the rest sent by the link; what it reads is kept all the same. One that
    /// breaks the rules is not believed either.
    async fn serve(&self, hands: &Hands) -> Result<()> {
        let mut broken = false;
        loop {
            let heard = match receive(&self.socket).await {
                Ok(None) => break,
                Ok(Some(_)) if broken => Ok(()),
                Ok(Some((word, _))) => self.hear(hands, word).await,
                Err(error) if error.kind() == ErrorKind::InvalidData => Err(error),
                Err(error) => return Err(error),
            };
            if let Err(error) = heard {
                tracing::debug!(peer = %self.peer, %error, "a reader is told nothing any more");
                broken |= error.kind() == ErrorKind::InvalidData;
                self.socket.get_ref().fall_silent();
            }
        }
        let released = {
            let mut claims = self.claims.lock();
            claims.ended = true;
            std::mem::take(&mut claims.held)
        };
        drop(released);
        Ok(())
    }

    async fn hear(&self, hands: &Hands, word: Word) -> Result<()> {
        match word {
            Word::Ask { call, request } => {
                self.answer(call, hands.share(self.peer, &request)).await
            }
            Word::Release(calls) => {
                let released: Vec<Option<Arc<Held>>> = {
                    let mut claims = self.claims.lock();
                    calls.iter().map(|call| claims.held.remove(call)).collect()
                };
                drop(released);
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::InvalidData, "the reader says what it should not")),
        }
    }

    async fn answer(&self, call: u64, share: Option<Share>) -> Result<()> {
        let share = share.filter(|share| self.claim(call, share));
        let Some(share) = share else {
            return send(&self.socket, &Word::NotHere { call }, None).await;
        };
        let told = self.tell(call, &share).await;
        if told.is_err() {
            let unheard = self.claims.lock().held.remove(&call);
            drop(unheard);
        }
        told
    }

    async fn tell(&self, call: u64, share: &Share) -> Result<()> {
        let segment = share.held.segment();
        let (id, bytes) = (segment.id(), segment.bytes() as u64);
        if self.told.lock().insert(id, Arc::downgrade(segment)).is_none() {
            let word = Word::Segment { id, bytes };
            send(&self.socket, &word, Some(segment.file().as_fd())).await?;
        }
        let (start, len) = (share.part.start as u64, share.part.len() as u64);
        send(&self.socket, &Word::Here { call, segment: id, start, len }, None).await
    }

    /// Keeps the part for the reader, if it may have more.
    fn claim(&self, call: u64, share: &Share) -> bool {
        let known = {
            let told = self.told.lock();
            told.contains_key(&share.held.segment().id()) || told.len() < SEGMENTS_MAX
        };
        let mut claims = self.claims.lock();
        let may = known && claims.held.len() < CLAIMS_MAX && !claims.held.contains_key(&call);
        if may {
            claims.held.insert(call, Arc::clone(&share.held));
        }
        may
    }
}

/// Tells a reader which segments are gone, so that their memory goes back to the system.
async fn tell_gone(reader: Arc<Reader>, bells: Arc<Bells>) {
    loop {
        let rung = bells.gone.notified();
        let is_gone = |_: &u32, segment: &mut Weak<Segment>| segment.strong_count() == 0;
        let gone: Vec<u32> =
            reader.told.lock().extract_if(is_gone).map(|(segment, _)| segment).collect();
        for segment in gone {
            if send(&reader.socket, &Word::Gone { segment }, None).await.is_err() {
                return;
            }
        }
        rung.await;
    }
}

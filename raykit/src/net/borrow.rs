//! The reader's side of shared memory: asks a peer where things lie, and reads them there.

use super::whisper::{receive, send};
use crate::base::limits::shm::SEGMENTS_MAX;
use crate::shm::{Foreign, Mapped, Releases, Socket, Word};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

/// A line to one peer. What was read over it keeps the connection, but not the line.
pub(super) struct Line {
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

struct Shared {
    socket: AsyncFd<Socket>,
    calls: Mutex<Calls>,
    /// Releases wait for room in the socket.
    unsent: Arc<Notify>,
    releases: Arc<Releases>,
}

#[derive(Default)]
struct Calls {
    next: u64,
    open: HashMap<u64, oneshot::Sender<Mapped>>,
    /// Nothing is answered any more.
    over: bool,
}

impl Line {
    pub(super) fn new(socket: AsyncFd<Socket>) -> Arc<Line> {
        let unsent = Arc::<Notify>::default();
        let rung = Arc::clone(&unsent);
        let releases = Releases::new(socket.get_ref().clone(), move || rung.notify_one());
        let shared = Arc::new(Shared { socket, calls: Mutex::default(), unsent, releases });
        let tasks = [
            tokio::spawn(listen(Arc::clone(&shared))).abort_handle(),
            tokio::spawn(release(Arc::clone(&shared))).abort_handle(),
        ];
        Arc::new(Line { shared, tasks })
    }

    /// Where this is; `None` where the peer does not have it in shared memory.
    pub(super) async fn ask(&self, request: &[u8]) -> Option<Mapped> {
        let (answer, answered) = oneshot::channel();
        let call = {
            let mut calls = self.shared.calls.lock();
            if calls.over {
                return None;
            }
            calls.next += 1;
            let call = calls.next;
            calls.open.insert(call, answer);
            call
        };
        let word = Word::Ask { call, request: request.to_vec() };
        if send(&self.shared.socket, &word, None).await.is_err() {
            self.shared.calls.lock().open.remove(&call);
        }
        answered.await.ok()
    }
}

impl Line {
    /// The peer is gone, or was lost: nobody waits for it any more.
    pub(super) fn end(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.shared.end();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hears what the owner says.
async fn listen(shared: Arc<Shared>) {
    if let Err(error) = shared.listen().await {
        tracing::debug!(%error, "a line to shared memory has ended");
    }
    shared.end();
}

impl Shared {
    /// Whoever still waits goes by the link.
    fn end(&self) {
        let open = {
            let mut calls = self.calls.lock();
            calls.over = true;
            std::mem::take(&mut calls.open)
        };
        drop(open);
    }

    async fn listen(&self) -> Result<()> {
        let broken = |what: &str| Error::new(ErrorKind::InvalidData, what);
        let mut segments: HashMap<u32, Arc<Foreign>> = HashMap::new();
        while let Some((word, file)) = receive(&self.socket).await? {
            match word {
                Word::Segment { id, bytes } => {
                    let file = file.ok_or_else(|| broken("a segment came without its file"))?;
                    if segments.len() >= SEGMENTS_MAX {
                        return Err(broken("there are too many segments"));
                    }
                    segments.insert(id, Arc::new(Foreign::open(file.as_fd(), bytes)?));
                }
                Word::Gone { segment } => drop(segments.remove(&segment)),
                Word::Here { call, segment, start, len } => {
                    let segment = segments.get(&segment).cloned();
                    let map = |segment| {
                        Mapped::new(segment, start, len, call, Arc::clone(&self.releases))
                    };
                    let mapped = segment.and_then(map);
                    let mapped = mapped.ok_or_else(|| broken("it is in no segment"))?;
                    let answer = self.calls.lock().open.remove(&call);
                    // What nobody waits for is released at once.
                    drop(answer.map(|answer| answer.send(mapped)));
                }
                Word::NotHere { call } => {
                    let unanswered = self.calls.lock().open.remove(&call);
                    drop(unanswered);
                }
                _ => return Err(broken("the owner says what it should not")),
            }
        }
        Ok(())
    }
}

/// Sends the releases that have waited for room.
async fn release(shared: Arc<Shared>) {
    loop {
        shared.unsent.notified().await;
        let sent = shared.socket.async_io(Interest::WRITABLE, |_| match shared.releases.send() {
            true => Ok(()),
            false => Err(ErrorKind::WouldBlock.into()),
        });
        if sent.await.is_err() {
            return;
        }
    }
}

//! Ways for a few bytes between two processes of a host. At each end a thread of its own, the road,
//! has the connection, as in raykit; who sends and who hears is another thread.

use super::ring::{Ring, futex};
use crate::bench::Outcome;
use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::{ClientConfig, Endpoint, ServerConfig};
use rustix::event::{EventfdFlags, eventfd};
use std::io::stdin;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as Pair;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) const UNIX: &str = "Unix socket";
pub(crate) const EVENTFD: &str = "ring, eventfd";
pub(crate) const FUTEX: &str = "ring, futex";
pub(crate) const QUINN: &str = "quinn";

pub(crate) const ALL: [&str; 4] = [UNIX, EVENTFD, FUTEX, QUINN];

pub(crate) const BYTES: usize = 64;
pub(crate) type Message = [u8; BYTES];

/// What the other process is told: which way, and what it has to know for it.
const WAY: &str = "RAYKIT_BENCH_WAY";
const DETAILS: &str = "RAYKIT_BENCH_WAY_DETAILS";
const NAME: &str = "localhost";

/// One end, as the thread has it that uses it.
pub(crate) struct End {
    send: Box<dyn Fn(Message) -> Outcome + Send>,
    heard: mpsc::Receiver<Message>,
}

impl End {
    pub(super) fn new(
        send: impl Fn(Message) -> Outcome + Send + 'static,
        heard: mpsc::Receiver<Message>,
    ) -> End {
        End { send: Box::new(send), heard }
    }

    /// There and back.
    pub(crate) fn ping(&self, message: Message) -> Outcome<Message> {
        (self.send)(message)?;
        Ok(self.heard.recv()?)
    }

    /// Sends everything back until the other end is gone.
    pub(crate) fn echo(&self) -> Outcome {
        while let Ok(message) = self.heard.recv() {
            (self.send)(message)?;
        }
        Ok(())
    }
}

/// The other process, which echoes.
pub(crate) struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens a way to another process, which goes on the errand to `echo`.
pub(crate) fn open(way: &str, errand: &str) -> Outcome<(End, Other)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--child", errand]).env(WAY, way).stdin(Stdio::null()).stdout(Stdio::null());
    let own = match way {
        UNIX => {
            let (own, other) = Pair::pair()?;
            command.stdin(OwnedFd::from(other));
            unix(own)
        }
        EVENTFD => {
            let (ring, bells) = (Ring::new()?, (bell()?, bell()?));
            command.stdin(bells.0.try_clone()?).stdout(bells.1.try_clone()?);
            command.env(DETAILS, ring.path());
            rung(ring, bells.1, bells.0)
        }
        FUTEX => {
            let ring = Ring::new()?;
            command.env(DETAILS, ring.path());
            futex(ring)
        }
        _ => {
            let (end, details) = answer()?;
            command.env(DETAILS, details);
            end
        }
    };
    Ok((own, Other(command.spawn()?)))
}

/// In the other process: echoes.
pub(crate) fn echo() -> Outcome {
    let details = std::env::var(DETAILS);
    let end = match std::env::var(WAY)?.as_str() {
        UNIX => unix(Pair::from(stdin().as_fd().try_clone_to_owned()?)),
        EVENTFD => {
            let own = stdin().as_fd().try_clone_to_owned()?;
            let other = std::io::stdout().as_fd().try_clone_to_owned()?;
            rung(Ring::open(&details?)?, own, other)
        }
        FUTEX => futex(Ring::open(&details?)?),
        _ => dial(&details?)?,
    };
    end.echo()
}

fn bell() -> Outcome<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)
}

/// An end whose road is a thread with a runtime, as raykit's is.
fn road<F: Future<Output = Outcome>>(
    run: impl FnOnce(UnboundedReceiver<Message>, mpsc::Sender<Message>) -> F + Send + 'static,
) -> End {
    let (post, posts) = tokio::sync::mpsc::unbounded_channel();
    let (hear, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done =
            runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(posts, hear)));
        if let Err(error) = done {
            eprintln!("raykit-benches: a road has ended: {error}");
        }
    });
    End::new(move |message| Ok(post.send(message)?), heard)
}

fn unix(socket: Pair) -> End {
    road(async move |mut posts, hear| {
        socket.set_nonblocking(true)?;
        let (mut reader, mut writer) = UnixStream::from_std(socket)?.into_split();
        tokio::spawn(async move {
            let mut message = [0; BYTES];
            while reader.read_exact(&mut message).await.is_ok() && hear.send(message).is_ok() {}
        });
        while let Some(message) = posts.recv().await {
            writer.write_all(&message).await?;
        }
        Ok(())
    })
}

/// A ring in shared memory; who has put something in rings the other one's bell.
fn rung(ring: Ring, own: OwnedFd, other: OwnedFd) -> End {
    road(async move |mut posts, hear| {
        let ring = Arc::new(ring);
        #[expect(unsafe_code, reason = "a file is registered with the runtime by its number")]
        // SAFETY: it owns its file, and always the same one.
        let bell = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) }?;
        let incoming = Arc::clone(&ring);
        tokio::spawn(async move {
            let rung = |bell: &OwnedFd| Ok(rustix::io::read(bell, &mut [0; 8])?);
            while bell.async_io(Interest::READABLE, rung).await.is_ok() {
                while let Some(message) = incoming.take() {
                    let _ = hear.send(message);
                }
            }
        });
        while let Some(message) = posts.recv().await {
            ring.put(message)?;
            rustix::io::write(&other, &1_u64.to_ne_bytes())?;
        }
        Ok(())
    })
}

/// The end that is dialled, and what the other one has to know.
fn answer() -> Outcome<(End, String)> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let config = ServerConfig::with_single_cert(vec![certificate.clone()], key)?;
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let details = format!("{} {}", socket.local_addr()?, hex(&certificate));
    let end = road(async move |mut posts, hear| {
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint =
            Endpoint::new(quinn::EndpointConfig::default(), Some(config), socket, runtime)?;
        let connection = endpoint.accept().await.ok_or("nobody has dialled")?.await?;
        let (mut send, receive) = connection.open_bi().await?;
        tokio::spawn(listen(receive, hear));
        while let Some(message) = posts.recv().await {
            send.write_all(&message).await?;
        }
        Ok(())
    });
    Ok((end, details))
}

/// The end that dials.
fn dial(details: &str) -> Outcome<End> {
    let (address, certificate) = details.split_once(' ').ok_or("no address")?;
    let address: SocketAddr = address.parse()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(unhex(certificate)?))?;
    let config = ClientConfig::with_root_certificates(Arc::new(roots))?;
    Ok(road(async move |mut posts, hear| {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        let connection = endpoint.connect_with(config, address, NAME)?.await?;
        let (mut send, receive) = connection.accept_bi().await?;
        tokio::spawn(listen(receive, hear));
        while let Some(message) = posts.recv().await {
            send.write_all(&message).await?;
        }
        Ok(())
    }))
}

async fn listen(mut receive: quinn::RecvStream, hear: mpsc::Sender<Message>) {
    let mut message = [0; BYTES];
    while receive.read_exact(&mut message).await.is_ok() && hear.send(message).is_ok() {}
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Outcome<Vec<u8>> {
    let pair = |at| Ok(u8::from_str_radix(text.get(at..at + 2).ok_or("half a byte")?, 16)?);
    (0..text.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than a ring has room for at once.
    const TIMES: u8 = 200;

    fn echoes((own, other): (End, End)) {
        std::thread::scope(|scope| {
            let echo = scope.spawn(move || {
                for _ in 0..TIMES {
                    let message = other.heard.recv().expect("it comes");
                    (other.send)(message).expect("it goes");
                }
                other
            });
            for with in 0..TIMES {
                assert_eq!(own.ping([with; BYTES]).expect("it comes back"), [with; BYTES]);
            }
            // Not before: its road ends with it, and with that what is on its way.
            drop(echo.join());
        });
    }

    #[test]
    fn each_way_brings_back_what_was_sent() {
        let (one, two) = Pair::pair().expect("a pair");
        echoes((unix(one), unix(two)));
        let ring = Ring::new().expect("a ring");
        let other = Ring::open(&ring.path()).expect("the same");
        echoes((futex(ring), futex(other)));
        let ring = Ring::new().expect("a ring");
        let other = Ring::open(&ring.path()).expect("the same");
        let bells = || (bell().expect("a bell"), bell().expect("a bell"));
        let ((a, b), again) = (bells(), |bell: &OwnedFd| bell.try_clone().expect("the same"));
        echoes((rung(ring, again(&a), again(&b)), rung(other, b, a)));
        let (own, details) = answer().expect("a socket");
        echoes((own, dial(&details).expect("an address")));
    }
}

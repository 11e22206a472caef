//! The joiner's side of joining: with a token and the head's address, to an identity.

use super::ask::{Answer, Ask, proof, read, write};
use super::endpoint::{Door, Pace, client, farewell, is_loopback};
use super::identity::{Identity, Key, Said, pin};
use super::road::Code;
use super::streams::lost;
use super::tls;
use super::token::Token;
use crate::base::NodeId;
use crate::object::{Error, ErrorKind, Result};
use quinn::Connection;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What a process has when it has joined.
pub(crate) struct Joined {
    pub(crate) identity: Identity,
    /// What the head's driver had to say.
    pub(crate) reply: Vec<u8>,
    /// The head, and the address at which it answered.
    pub(crate) head: NodeId,
    pub(crate) address: SocketAddr,
}

/// Joins the cluster whose head answers at `address` (a host and a port). `asks` is for the head's
/// driver to read.
///
/// # Errors
///
/// If the address cannot be found, nobody answers in time, the head is not the token's, or it
/// refuses.
pub(crate) fn join(address: &str, token: &Token, asks: Vec<u8>, limit: Duration) -> Result<Joined> {
    let (address, token) = (address.to_owned(), token.clone());
    // A thread of its own, since the caller may be inside a runtime already.
    let thread = std::thread::Builder::new().name("raykit-join".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let joined = runtime.block_on(joined(&address, &token, asks, limit));
        // A look-up that hangs is not waited for.
        runtime.shutdown_background();
        joined
    })?;
    thread.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Panic, "joining panicked")))
}

async fn joined(address: &str, token: &Token, asks: Vec<u8>, limit: Duration) -> Result<Joined> {
    let deadline = Instant::now() + limit;
    let silent = || {
        let text = format!("nobody answers at {address} within {limit:?}");
        Error::new(ErrorKind::TimedOut, text)
    };
    let found = timeout_at(deadline, tokio::net::lookup_host(address)).await;
    let unknown = |why: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Io, format!("the address {address} cannot be found: {why}"))
    };
    let found: Vec<_> = found
        .map_err(|_| unknown(&format_args!("no answer within {limit:?}")))?
        .map_err(|error| unknown(&error))?
        .collect();
    let mut last = unknown(&"it stands for no host");
    for (at, one) in found.iter().enumerate() {
        // Each has an equal part of the time that is left.
        let left = deadline.saturating_duration_since(Instant::now());
        let until = Instant::now() + left / (found.len() - at) as u32;
        match timeout_at(until, ask_in(*one, token, &asks)).await {
            Ok(Err(error)) if error.kind() == ErrorKind::Io => last = error,
            Ok(done) => return done,
            Err(_) => last = silent(),
        }
    }
    Err(last)
}

async fn ask_in(address: SocketAddr, token: &Token, asks: &[u8]) -> Result<Joined> {
    let (config, foreign) = tls::joining(token.pin)?;
    let config = client(config, is_loopback(address), Pace::default());
    let door = Door::anywhere(address)?;
    let connecting = door.endpoint.connect_with(config, address, tls::server_name());
    let connection = connecting.map_err(lost)?.await.map_err(|error| not_head(&error, &foreign))?;
    let head = tls::peer(&connection)?;
    let joined = asked(&connection, token, asks, address, &head).await;
    connection.close(Code::Goodbye.into(), b"");
    farewell().await;
    joined
}

fn not_head(error: &quinn::ConnectionError, foreign: &AtomicBool) -> Error {
    if foreign.load(Ordering::Relaxed) {
        return Error::new(ErrorKind::Config, "the head's key is not the one in the token");
    }
    match error {
        quinn::ConnectionError::TimedOut => Error::new(ErrorKind::TimedOut, "nobody answers"),
        other => Error::new(ErrorKind::Io, format!("who answers is not a head: {other}")),
    }
}

async fn asked(
    connection: &Connection,
    token: &Token,
    asks: &[u8],
    address: SocketAddr,
    head: &Said,
) -> Result<Joined> {
    let key = Key::generate()?;
    let public_key = key.public()?;
    let signature = token.sign(&proof(connection, &public_key)?)?;
    let ask = Ask { token: token.id, public_key, signature, asks: asks.to_vec() };
    let (mut send, mut receive) = connection.open_bi().await.map_err(lost)?;
    write(&mut send, &ask.encode()).await?;
    let wrong = |what: &str| Error::new(ErrorKind::Config, format!("the head's answer {what}"));
    let answer = Answer::decode(&read(&mut receive).await?);
    let (cluster, node, certificate, authority, reply) = match answer {
        Some(Answer::Welcome { cluster, node, certificate, authority, reply }) => {
            (cluster, node, certificate, authority, reply)
        }
        Some(Answer::Refused(why)) => {
            let text = format!("the head refuses: {why}");
            return Err(Error::new(ErrorKind::Config, text));
        }
        None => return Err(wrong("cannot be read")),
    };
    let identity = Identity::new(key, certificate.into(), authority.into())?;
    let name = identity.name;
    if pin(&identity.authority)? != token.pin || name.cluster != head.name.cluster {
        return Err(wrong("is about another cluster"));
    }
    if (name.cluster, name.node, name.role) != (cluster, node, token.role) {
        return Err(wrong("and its certificate differ"));
    }
    Ok(Joined { identity, reply, head: head.name.node, address })
}

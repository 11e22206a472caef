//! The head's side of joining. Until the token is proven, whoever is there is a stranger: all it
//! says is bounded, and all it learns is that it was refused.

use super::ask::{Answer, Ask, proof, read, write};
use super::authority::lifetime;
use super::hands::Hands;
use super::register::Refusal;
use super::turned::Why;
use crate::base::AUDIT;
use crate::base::limits::net::HANDSHAKE_MS;
use crate::object::Result;
use quinn::Connection;
use std::fmt;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The one thing that a stranger is told.
const REFUSED: &str = "the token was refused";

/// Answers one who wants to join.
pub(super) async fn answer(hands: &Hands, connection: Connection) {
    let limit = Duration::from_millis(HANDSHAKE_MS);
    let address = connection.remote_address();
    match timeout(limit, answered(hands, &connection)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => hands.turned_away.add(Why::BrokenOff, address, error),
        Err(_) => hands.turned_away.add(Why::BrokenOff, address, "a join"),
    }
    connection.close(super::road::Code::Goodbye.into(), b"");
}

async fn answered(hands: &Hands, connection: &Connection) -> Result<()> {
    let (mut send, mut receive) = connection.accept_bi().await.map_err(super::streams::lost)?;
    let message = read(&mut receive).await?;
    write(&mut send, &decide(hands, connection, &message).encode()).await?;
    // Closing at once would overtake the answer. Who does not say that it has it is not waited for.
    let _ = timeout(Duration::from_millis(HANDSHAKE_MS / 2), send.stopped()).await;
    Ok(())
}

/// Why a join came to nothing.
enum No {
    /// A stranger is told nothing.
    Stranger(String),
    /// Who holds a token is.
    Holder(String),
}

fn decide(hands: &Hands, connection: &Connection, message: &[u8]) -> Answer {
    let (address, now) = (connection.remote_address().ip(), Instant::now());
    if hands.failures.lock().locked(address, now) {
        hands.turned_away.add(Why::LockedOut, address, "");
        return Answer::Refused(REFUSED.into());
    }
    match welcome(hands, connection, message) {
        Ok(answer) => answer,
        Err(No::Holder(why)) => {
            tracing::warn!(target: AUDIT, %address, %why, "a join was refused");
            Answer::Refused(why)
        }
        Err(No::Stranger(why)) => {
            tracing::warn!(target: AUDIT, %address, %why, "a join was refused");
            hands.failures.lock().add(address, now);
            Answer::Refused(REFUSED.into())
        }
    }
}

fn welcome(hands: &Hands, connection: &Connection, message: &[u8]) -> Result<Answer, No> {
    let stranger = |why: &dyn fmt::Display| No::Stranger(why.to_string());
    let holder = |why: &dyn fmt::Display| No::Holder(why.to_string());
    let authority = hands.authority.as_ref().ok_or_else(|| stranger(&"this is not the head"))?;
    let ask = Ask::decode(message).ok_or_else(|| stranger(&"the message cannot be read"))?;
    let proof = proof(connection, &ask.public_key).map_err(|error| stranger(&error))?;
    let role = authority
        .lock()
        .check(ask.token, &proof, &ask.signature)
        .map_err(|refusal: Refusal| stranger(&format_args!("{}: {refusal}", ask.token)))?;
    let (node, reply) = hands.admit(role, &ask.asks).map_err(No::Holder)?;
    let mut authority = authority.lock();
    let certificate = authority
        .certify(ask.public_key, role, node, lifetime())
        .and_then(|certificate| authority.used(ask.token).map(|()| certificate))
        .map_err(|error| holder(&error))?;
    let address = connection.remote_address();
    tracing::info!(target: AUDIT, %address, token = %ask.token, %role, %node, "joined");
    Ok(Answer::Welcome {
        cluster: authority.cluster(),
        node,
        certificate: certificate.to_vec(),
        authority: authority.certificate().to_vec(),
        reply,
    })
}

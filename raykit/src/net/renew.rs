//! Certificates hold for a day; after two thirds of it a node asks the head for the next one. Who
//! asks, and for which key, the head knows from the certificate on the link: nothing else is said.

use super::authority::lifetime;
use super::hands::Hands;
use super::name::Role;
use super::streams::{Kind, ask, failed, lost};
use super::tls;
use crate::base::AUDIT;
use crate::base::limits::net::{CONTROL_BYTES_MAX, RENEW_AGAIN_MS};
use crate::object::Result;
use quinn::Connection;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// Sees to it that the certificate of this process never ends.
pub(super) async fn keep(hands: Arc<Hands>) {
    loop {
        let due = hands.wallet.identity().renew_at();
        let pause = due.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::sleep(pause).await;
        if let Err(error) = renew(&hands).await {
            tracing::warn!(%error, "the certificate was not renewed");
            let again = Duration::from_millis(RENEW_AGAIN_MS);
            let _ = timeout(again, hands.headed.notified()).await;
        }
    }
}

async fn renew(hands: &Hands) -> Result<()> {
    let identity = hands.wallet.identity();
    let certificate = match &hands.authority {
        Some(authority) => {
            let (key, name) = (identity.key.public()?, identity.name);
            authority.lock().certify(key, name.role, name.node, lifetime())?
        }
        None => {
            let head = hands.road(|road| {
                let head = road.links().find(|(_, link)| link.name.role == Role::Head);
                head.map(|(_, link)| link.connection.clone())
            });
            let head = head.ok_or_else(|| failed("there is no link to the head"))?;
            let mut answer = ask(&head, Kind::Renew, &[]).await?;
            CertificateDer::from(answer.read_to_end(CONTROL_BYTES_MAX).await.map_err(lost)?)
        }
    };
    let renewed = identity.renewed(certificate)?;
    if renewed.renew_at() <= SystemTime::now() {
        return Err(failed("the new certificate ends too soon"));
    }
    hands.wallet.replace(renewed)
}

/// On the head: the next certificate for who is at the other end.
pub(super) fn answer(hands: &Hands, connection: &Connection) -> Result<Vec<u8>> {
    let authority = hands.authority.as_ref().ok_or_else(|| failed("this is not the head"))?;
    let said = tls::peer(connection)?;
    let key = said.public_key.as_slice().try_into().map_err(lost)?;
    let (role, node) = (said.name.role, said.name.node);
    if hands.road(|road| road.is_banned(node) || road.is_fenced(node)) {
        return Err(failed("the peer is kept out"));
    }
    let certificate = authority.lock().certify(key, role, node, lifetime())?;
    tracing::info!(target: AUDIT, %node, "a certificate was renewed");
    Ok(certificate.to_vec())
}

//! Whom TLS trusts: the cluster's key and nothing else, in TLS 1.3 alone.

use super::authority::SERVER_NAME;
use super::identity::{Identity, Said, pin};
use super::name::Role;
use crate::object::{Error, ErrorKind, Result};
use parking_lot::RwLock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::ring::cipher_suite;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The protocol between nodes, with its version.
pub(super) const ALPN_LINK: &[u8] = b"raykit/1";
/// The protocol of joining.
pub(super) const ALPN_JOIN: &[u8] = b"raykit-join/1";

/// Named in every configuration: where two crates of a program turn on two providers, rustls picks
/// none by itself and panics.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let mut provider = rustls::crypto::ring::default_provider();
        // The cheapest first; all are strong enough.
        provider.cipher_suites = vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ];
        Arc::new(provider)
    };
    Arc::clone(PROVIDER.get_or_init(make))
}

/// The identity in force. A new certificate takes the old one's place in it, and links that are up
/// do not notice.
#[derive(Debug)]
pub(super) struct Wallet {
    held: RwLock<(Identity, Arc<CertifiedKey>)>,
}

impl Wallet {
    pub(super) fn new(identity: Identity) -> Result<Arc<Wallet>> {
        let key = certified(&identity)?;
        Ok(Arc::new(Wallet { held: RwLock::new((identity, key)) }))
    }

    pub(super) fn identity(&self) -> Identity {
        self.held.read().0.clone()
    }

    pub(super) fn replace(&self, identity: Identity) -> Result<()> {
        let key = certified(&identity)?;
        *self.held.write() = (identity, key);
        Ok(())
    }
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>> {
    let chain = vec![identity.certificate.clone(), identity.authority.clone()];
    let key = CertifiedKey::from_der(chain, identity.key.for_tls(), &provider());
    key.map(Arc::new).map_err(unusable)
}

impl ResolvesServerCert for Wallet {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.held.read().1))
    }
}

impl ResolvesClientCert for Wallet {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.held.read().1))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("TLS cannot be set up: {error}"))
}

fn roots(authority: &CertificateDer<'_>) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    Ok(Arc::new(roots))
}

/// For who is dialled. Where `joins`, somebody without a certificate gets through TLS, and only as
/// far as the protocol of joining.
pub(super) fn answering(wallet: &Arc<Wallet>, joins: bool) -> Result<ServerConfig> {
    let roots = roots(&wallet.identity().authority).map_err(unusable)?;
    let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
    if joins {
        verifier = verifier.allow_unauthenticated();
    }
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(verifier.build().map_err(unusable)?)
        .with_cert_resolver(Arc::clone(wallet) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![ALPN_LINK.to_vec()];
    if joins {
        config.alpn_protocols.push(ALPN_JOIN.to_vec());
    }
    // Each connection shows its certificate anew, and no data goes ahead of that.
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// For who dials a node of the same cluster.
pub(super) fn dialling(wallet: &Arc<Wallet>) -> Result<ClientConfig> {
    let roots = roots(&wallet.identity().authority).map_err(unusable)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider());
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_webpki_verifier(verifier.build().map_err(unusable)?)
        .with_client_cert_resolver(Arc::clone(wallet) as Arc<dyn ResolvesClientCert>);
    config.alpn_protocols = vec![ALPN_LINK.to_vec()];
    without_memory(&mut config);
    Ok(config)
}

/// For who joins, and knows of the cluster no more than the pin of its key.
///
/// The second value tells afterwards whether it was the pin that did not fit.
pub(super) fn joining(pin: [u8; 32]) -> Result<(ClientConfig, Arc<AtomicBool>)> {
    let foreign = Arc::new(AtomicBool::new(false));
    let algorithms = provider().signature_verification_algorithms;
    let verifier = Pinned { pin, algorithms, foreign: Arc::clone(&foreign) };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_JOIN.to_vec()];
    without_memory(&mut config);
    Ok((config, foreign))
}

fn without_memory(config: &mut ClientConfig) {
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
}

/// Accepts the head of the cluster whose key has this pin: the chain has to contain that key's
/// certificate, which has signed the first, which says `head`.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
    /// No certificate of the chain was the pinned one's.
    foreign: Arc<AtomicBool>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = |certificate: &&CertificateDer<'_>| pin(certificate).ok() == Some(self.pin);
        let Some(authority) = chain.iter().find(pinned) else {
            self.foreign.store(true, Ordering::Relaxed);
            return Err(unknown_issuer());
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(authority)?, provider())
            .build()
            .map_err(|_| unknown_issuer())?;
        verifier.verify_server_cert(leaf, &[], name, ocsp, now)?;
        match Said::of(leaf) {
            Ok(said) if said.name.role == Role::Head => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::InvalidPurpose.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn unknown_issuer() -> rustls::Error {
    CertificateError::UnknownIssuer.into()
}

/// Who is at the other end of a connection, as its certificate says. That the cluster's key signed
/// it was checked when the connection was made.
pub(super) fn peer(connection: &quinn::Connection) -> Result<Said> {
    let nobody = || Error::new(ErrorKind::Io, "the peer has shown no certificate");
    let chain = connection.peer_identity().ok_or_else(nobody)?;
    let chain = chain.downcast::<Vec<CertificateDer<'static>>>().map_err(|_| nobody())?;
    Said::of(chain.first().ok_or_else(nobody)?)
}

/// The protocol that both ends agreed on.
pub(super) fn protocol(connection: &quinn::Connection) -> Option<Vec<u8>> {
    let data = connection.handshake_data()?;
    data.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?.protocol
}

/// The name that all nodes answer to.
pub(super) fn server_name() -> &'static str {
    SERVER_NAME
}

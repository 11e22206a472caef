//! Somebody who knows raykit's protocols and keeps to none of its rules: QUIC, the messages and the
//! certificates are made by hand here, with nothing of raykit's.

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use rcgen::{KeyPair, PKCS_ED25519};
use ring::signature::Ed25519KeyPair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub const LINK: &[u8] = b"raykit/1";
pub const JOIN: &[u8] = b"raykit-join/1";
pub const GOODBYE: u32 = 1;
pub const PROTOCOL: u32 = 3;
pub const UNWELCOME: u32 = 4;

/// A key with the certificate that the cluster has made for it.
pub struct Identity {
    pub key: KeyPair,
    pub chain: Vec<CertificateDer<'static>>,
    pub node: u32,
}

/// What a token's text says.
pub struct Token {
    pub role: String,
    pub id: [u8; 8],
    pub seed: [u8; 32],
}

fn base32<const N: usize>(text: &str) -> [u8; N] {
    const ALPHABET: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bits = text.bytes().flat_map(|letter| {
        let value = ALPHABET.iter().position(|known| *known == letter).unwrap();
        (0..5).rev().map(move |bit| value >> bit & 1)
    });
    std::array::from_fn(|_| (0..8).fold(0, |byte, _| byte << 1 | bits.next().unwrap() as u8))
}

impl Token {
    pub fn parse(text: &str) -> Token {
        let parts: Vec<&str> = text.split('.').collect();
        Token { role: parts[1].into(), id: base32(parts[3]), seed: base32(parts[4]) }
    }
}

/// Bytes of a message: numbers little end first, a length in four bytes before what has one.
#[derive(Clone, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn add(mut self, bytes: impl AsRef<[u8]>) -> Bytes {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }
    pub fn sized(self, bytes: impl AsRef<[u8]>) -> Bytes {
        let len = bytes.as_ref().len() as u32;
        self.add(len.to_le_bytes()).add(bytes)
    }
}

/// What a node says of itself that wants to join.
pub fn asks(driver: bool) -> Vec<u8> {
    Bytes::default()
        .add((3_u64 << 16 | 8 << 8 | 1).to_le_bytes()) // the format
        .add(1_u32.to_le_bytes()) // the head's number, which nobody is given
        .sized("hostile")
        .add(1_u32.to_le_bytes())
        .sized("127.0.0.1:9")
        .add(0_u128.to_le_bytes())
        .add([u8::from(driver)])
        .add([0; 24]) // no CPU, GPU, memory
        .add(0_u32.to_le_bytes())
        .add(0_u32.to_le_bytes()) // labels
        .add(0_u32.to_le_bytes()) // functions
        .0
}

/// Takes whom it reaches for whoever he says he is.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

pub fn client(protocol: &[u8], identity: Option<&Identity>) -> ClientConfig {
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])
    .unwrap()
    .dangerous()
    .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut config = match identity {
        Some(one) => {
            let key = PrivatePkcs8KeyDer::from(one.key.serialize_der()).into();
            config.with_client_auth_cert(one.chain.clone(), key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()))
}

/// Somebody at an address of this host's own.
pub struct Hostile {
    pub runtime: tokio::runtime::Runtime,
    pub endpoint: Endpoint,
}

/// How an attempt to do something ended, if not well.
pub type Ended<T> = Result<T, String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Hostile {
    /// At 127.0.0.`at`: what is done there counts for nobody else.
    pub fn new(at: u8) -> Hostile {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let within = runtime.enter();
        let endpoint = Endpoint::client(([127, 0, 0, at], 0).into()).unwrap();
        drop(within);
        Hostile { runtime, endpoint }
    }

    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), what).await.expect("it ends")
        })
    }

    pub fn call(
        &self,
        to: SocketAddr,
        protocol: &[u8],
        identity: Option<&Identity>,
    ) -> Ended<Connection> {
        let within = self.runtime.enter();
        let calling =
            self.endpoint.connect_with(client(protocol, identity), to, "raykit.cluster").unwrap();
        drop(within);
        self.wait(calling).map_err(text)
    }

    /// Joins by the book, but for what `change` does to the message.
    pub fn join(
        &self,
        to: SocketAddr,
        token: &Token,
        asks: &[u8],
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Ended<Identity> {
        let connection = self.call(to, JOIN, None)?;
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut proof = [0; 32];
        connection
            .export_keying_material(&mut proof, b"raykit join", key.public_key_raw())
            .unwrap();
        let signer = Ed25519KeyPair::from_seed_unchecked(&token.seed).unwrap();
        let mut message = Bytes::default()
            .add(1_u16.to_le_bytes())
            .add(token.id)
            .add(key.public_key_raw())
            .add(signer.sign(&proof))
            .sized(asks)
            .0;
        change(&mut message);
        let answer = self.say(&connection, &message)?;
        match answer.split_first() {
            Some((1, rest)) => {
                let node = u32::from_le_bytes(rest[16..20].try_into().unwrap());
                let (own, rest) = sized(&rest[20..]);
                let (authority, _) = sized(rest);
                let chain = [own, authority].map(|one| CertificateDer::from(one.to_vec()));
                Ok(Identity { key, chain: chain.into(), node })
            }
            Some((_, why)) => Err(String::from_utf8_lossy(sized(why).0).into_owned()),
            None => Err("no answer".into()),
        }
    }

    /// Sends one message of the protocol of joining; the answer.
    pub fn say(&self, connection: &Connection, message: &[u8]) -> Ended<Vec<u8>> {
        self.wait(async {
            let (mut send, mut receive) = connection.open_bi().await.map_err(text)?;
            send.write_all(&Bytes::default().sized(message).0).await.map_err(text)?;
            send.finish().map_err(text)?;
            let answer = receive.read_to_end(1 << 20).await.map_err(text)?;
            Ok(answer.get(4..).unwrap_or_default().to_vec())
        })
    }

    /// Opens a link and says that it is `node`.
    pub fn link(&self, to: SocketAddr, identity: &Identity, node: u32) -> Ended<Link> {
        let connection = self.call(to, LINK, Some(identity))?;
        let hello = Bytes::default().add(1_u16.to_le_bytes()).add(node.to_le_bytes()).add([0; 34]);
        self.wait(async {
            let (mut send, mut receive) = connection.open_bi().await.map_err(text)?;
            send.write_all(&hello.0).await.map_err(text)?;
            receive.read_exact(&mut [0; 40]).await.map_err(text)?;
            Ok(Link { connection: connection.clone(), send, receive })
        })
        .map_err(|error: String| {
            connection.close_reason().map_or(error, |reason| code(&reason).to_string())
        })
    }

    /// Asks on a stream beside the packets; `None` where there is no answer.
    pub fn ask(&self, connection: &Connection, kind: u8, request: &[u8]) -> Option<Vec<u8>> {
        self.wait(async {
            let (mut send, mut receive) = connection.open_bi().await.ok()?;
            send.write_all(&Bytes::default().add([kind]).sized(request).0).await.ok()?;
            send.finish().ok()?;
            receive.read_to_end(1 << 20).await.ok().filter(|answer| !answer.is_empty())
        })
    }

    /// Why the other side has closed.
    pub fn reason(&self, connection: &Connection) -> u32 {
        code(&self.wait(connection.closed()))
    }
}

/// The code that a connection was closed with by the other side, or 0.
pub fn code(error: &ConnectionError) -> u32 {
    match error {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner() as u32,
        _ => 0,
    }
}

/// The first sized bytes, and the rest.
fn sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(u32::from_le_bytes(*len) as usize)
}

/// A link that was let in.
pub struct Link {
    pub connection: Connection,
    pub send: SendStream,
    pub receive: RecvStream,
}

impl Link {
    /// Sends a packet with this number in the line (0: outside of it).
    pub async fn packet(&mut self, number: u64, frame: &[u8]) -> Result<(), quinn::WriteError> {
        let packet = Bytes::default().add(number.to_le_bytes()).add([0; 8]).add(frame).0;
        self.send.write_all(&Bytes::default().sized(packet).0).await
    }

    /// The next frame of that kind that comes.
    pub async fn next(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let mut len = [0; 4];
            self.receive.read_exact(&mut len).await.expect("a packet");
            let mut packet = vec![0; u32::from_le_bytes(len) as usize];
            self.receive.read_exact(&mut packet).await.expect("a packet");
            if packet[16] == kind {
                return packet.split_off(17);
            }
        }
    }
}

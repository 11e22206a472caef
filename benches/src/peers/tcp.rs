//! Bulk bytes by TCP, plain and with rustls, both blocking.

use super::ways::{hex, unhex};
use crate::bench::Outcome;
use crate::child::Errand;
use crate::served::{self, Served};
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use quinn::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

pub(crate) const TCP: &str = "TCP";
pub(crate) const TLS: &str = "TCP + rustls";

const NAME: &str = "localhost";
/// What is read or written at once.
const PIECE: usize = 1 << 20;

pub(crate) const SINK: Errand = ("tcp-sink", sink);
pub(crate) const TLS_SINK: Errand = ("tls-sink", tls_sink);

fn listener() -> Outcome<TcpListener> {
    Ok(TcpListener::bind((served::listen()?, 0))?)
}

/// Takes loads, each after its length, into memory that stays.
fn take(mut stream: impl Read + Write) -> Outcome {
    let (mut kept, mut length) = (Vec::new(), [0; 8]);
    while stream.read_exact(&mut length).is_ok() {
        let length = u64::from_le_bytes(length) as usize;
        kept.resize(length, 0);
        let mut filled = 0;
        while filled < length {
            match stream.read(&mut kept[filled..length.min(filled + PIECE)])? {
                0 => return Err("cut short".into()),
                count => filled += count,
            }
        }
        stream.write_all(&[1])?;
        stream.flush()?;
    }
    Ok(())
}

fn sink() -> Outcome {
    let listener = listener()?;
    println!("{}", listener.local_addr()?);
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    take(stream)
}

fn tls_sink() -> Outcome {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    let listener = listener()?;
    println!("{} {}", listener.local_addr()?, hex(&certificate));
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    take(StreamOwned::new(ServerConnection::new(Arc::new(config))?, stream))
}

fn give(mut stream: impl Read + Write, load: &[u8], times: usize) -> Outcome<Vec<f64>> {
    let mut taken = Vec::new();
    for _ in 0..times {
        let begun = Instant::now();
        stream.write_all(&(load.len() as u64).to_le_bytes())?;
        load.chunks(PIECE).try_for_each(|piece| stream.write_all(piece))?;
        stream.flush()?;
        stream.read_exact(&mut [0])?;
        taken.push(begun.elapsed().as_secs_f64());
    }
    Ok(taken)
}

/// Seconds for each of so many loads, until the other process has all of it.
pub(crate) fn bulk(served: &Served, load: &[u8], times: usize) -> Outcome<Vec<f64>> {
    let stream = TcpStream::connect(&served.line)?;
    stream.set_nodelay(true)?;
    give(stream, load, times)
}

pub(crate) fn tls_bulk(served: &Served, load: &[u8], times: usize) -> Outcome<Vec<f64>> {
    let (address, certificate) = served.line.split_once(' ').ok_or("no address")?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(unhex(certificate)?))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME)?)?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    give(StreamOwned::new(client, stream), load, times)
}

//! What strangers and peers say on the road, and files and tokens that are read, to be tried with
//! any bytes.

use super::ask::{Answer, Ask};
use super::authority::Authority;
use super::framing::{MARK, Splitter, pack};
use super::identity::{Said, pin};
use super::link::Hello;
use super::name::Role;
use super::register::Register;
use super::token::{Token, TokenId};
use crate::base::NodeId;
use crate::base::fuzz::Target;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "framing", run: framing, seeds: framing_seeds },
    Target { name: "hello", run: hello, seeds: hello_seeds },
    Target { name: "join", run: join, seeds: join_seeds },
    Target { name: "token", run: token, seeds: token_seeds },
    Target { name: "certificate", run: certificate, seeds: certificate_seeds },
];

/// A stream in pieces of any size gives the packets that it gives in one.
fn framing(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let split = |step: usize| {
        let (mut splitter, mut packets) = (Splitter::default(), Vec::new());
        let whole = bytes.chunks(step).all(|piece| splitter.push(piece, &mut packets).is_ok());
        (whole, packets)
    };
    let at_once = split(bytes.len().max(1));
    assert_eq!(at_once, split(usize::from(*step) + 1));
    let again = pack(at_once.1).concat();
    assert!(bytes.starts_with(&again));
}

fn framing_seeds() -> Vec<Vec<u8>> {
    let packets = [&b"hello"[..], b"", &[7; 300]].map(Arc::from).to_vec();
    let bytes = [&[3], &pack(packets).concat()[..]].concat();
    vec![[&bytes[..], &MARK].concat(), bytes]
}

fn hello(bytes: &[u8]) {
    if let Some(hello) = bytes.first_chunk().and_then(Hello::decode) {
        assert!(bytes.starts_with(&hello.encode()));
    }
}

fn hello_seeds() -> Vec<Vec<u8>> {
    let hello =
        Hello { node: NodeId(7), incarnation: 8, link: 9, nonce: [1; 16], pulse_port: 7000 };
    vec![hello.encode()]
}

fn join(bytes: &[u8]) {
    if let Some(ask) = Ask::decode(bytes) {
        assert_eq!(ask.encode(), bytes);
    }
    match Answer::decode(bytes) {
        Some(answer @ Answer::Welcome { .. }) => assert_eq!(answer.encode(), bytes),
        Some(Answer::Refused(_)) | None => {} // what is no text is made one
    }
}

fn join_seeds() -> Vec<Vec<u8>> {
    let authority = Authority::create().expect("a cluster");
    let ask = Ask {
        token: TokenId([1; 8]),
        public_key: [2; 32],
        signature: [3; 64],
        asks: b"asks".to_vec(),
    };
    let welcome = Answer::Welcome {
        cluster: authority.cluster(),
        node: NodeId(7),
        certificate: vec![1; 9],
        authority: vec![2; 9],
        reply: b"reply".to_vec(),
    };
    vec![ask.encode(), welcome.encode(), Answer::Refused("no".into()).encode()]
}

/// Tokens, and the head's list of them.
fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(token) = Token::parse(text) {
        let again = Token::parse(&token.reveal()).expect("its own form");
        assert_eq!(again.reveal(), token.reveal());
    }
    if let Ok(list) = Register::parse(text) {
        let again = Register::parse(&list.to_text()).expect("its own form");
        assert_eq!(again.list(), list.list());
    }
}

fn token_seeds() -> Vec<Vec<u8>> {
    let mut authority = Authority::create().expect("a cluster");
    let token = authority.issue(Role::Node, None, Some(3)).expect("a token");
    let mut list = Register::default();
    let now = std::time::SystemTime::UNIX_EPOCH;
    list.add(&token, Some(now), Some(9), now).expect("room for it");
    list.add(&token, None, None, now).expect("room for it");
    vec![token.reveal().into_bytes(), list.to_text().into_bytes()]
}

fn certificate(bytes: &[u8]) {
    let certificate = CertificateDer::from(bytes.to_vec());
    if let Ok(said) = Said::of(&certificate) {
        let uri = said.name.to_uri();
        assert!(bytes.windows(uri.len()).any(|part| part == uri.as_bytes()), "{uri}");
    }
    let _ = pin(&certificate);
}

fn certificate_seeds() -> Vec<Vec<u8>> {
    let authority = Authority::create().expect("a cluster");
    let own = authority.own(NodeId(7)).expect("a certificate");
    vec![own.certificate.to_vec(), own.authority.to_vec()]
}

#[cfg(test)]
#[test]
fn any_bytes_do_no_harm() {
    TARGETS.iter().for_each(|target| target.try_all(4_000));
}

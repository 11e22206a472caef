//! Somebody hostile at the port of a cluster, outside of it and inside: what `docs/security.md`
//! says is tried here, by the ids of the list that it was written from (X1 to X8).
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

mod common;
#[path = "common/hostile.rs"]
mod hostile;

use common::eventually;
use hostile::{
    Bytes, GOODBYE, Hostile, Identity, JOIN, LINK, Link, PROTOCOL, Token, UNWELCOME, asks,
};
use raykit::Config;
use raykit::prelude::*;
use raykit::token::{self, TokenRole};
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

#[remote]
fn twice(x: i64) -> i64 {
    2 * x
}

/// The lines of the log so far.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&lines);
    let writer = move || To(Arc::clone(&to));
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer);
    subscriber.init();
    lines
});

struct To(Arc<Mutex<Vec<u8>>>);

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lines of the log with all of these words.
fn logged(words: &[&str]) -> usize {
    let log = String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

/// A head with one CPU, and where it is.
struct Head {
    node: raykit::Node,
    at: SocketAddr,
}

impl Head {
    fn new() -> Head {
        Head::with(|config| config)
    }

    fn with(change: impl FnOnce(Config) -> Config) -> Head {
        LazyLock::force(&LOG);
        let config = Config::new().num_cpus(1).head("127.0.0.1:0".parse().unwrap());
        let node = change(config).start().unwrap();
        let here = node.enter();
        let at = raykit::nodes().unwrap()[0].addresses[0].parse().unwrap();
        drop(here);
        Head { node, at }
    }

    fn issue(&self, role: TokenRole, ttl: Option<Duration>, uses: Option<u32>) -> (String, Token) {
        let _here = self.node.enter();
        let made = token::issue(role, ttl, uses).unwrap();
        (made.id, Token::parse(&made.token))
    }

    /// Somebody at 127.0.0.`at` who was let in.
    fn member(&self, at: u8, role: TokenRole) -> (Hostile, Identity) {
        let (hostile, (_, token)) = (Hostile::new(at), self.issue(role, None, None));
        let driver = !matches!(role, TokenRole::Node);
        let identity = hostile.join(self.at, &token, &asks(driver), |_| {}).unwrap();
        (hostile, identity)
    }

    fn link(&self, hostile: &Hostile, identity: &Identity) -> Link {
        hostile.link(self.at, identity, identity.node).unwrap()
    }

    fn nodes(&self) -> usize {
        let _here = self.node.enter();
        raykit::nodes().unwrap().len()
    }

    fn uses(&self, id: &str) -> u32 {
        let _here = self.node.enter();
        token::list().unwrap().into_iter().find(|one| one.id == id).unwrap().uses
    }

    /// It does what it is for: a task runs, and somebody with a token joins and leaves.
    fn is_well(&self) {
        let made = {
            let _here = self.node.enter();
            assert_eq!(twice::remote(21).get().unwrap(), 42);
            raykit::join_token(None).unwrap()
        };
        let joins = || Config::new().num_cpus(1).address(self.at.to_string()).token(&made).start();
        joins().expect("it lets others in").shutdown().unwrap();
    }
}

/// X1: who has no token, a wrong, an expired, a revoked or a used one, is refused in the same words,
/// noted in the log each time, and locked out after the tenth.
#[test]
fn who_has_no_good_token_is_refused() {
    let head = Head::new();
    let hostile = Hostile::new(11);
    let (_, good) = head.issue(TokenRole::Node, None, None);
    let (_, expired) = head.issue(TokenRole::Node, Some(Duration::ZERO), None);
    let (revoked_id, revoked) = head.issue(TokenRole::Node, None, None);
    let (rotated_id, rotated) = head.issue(TokenRole::Node, None, None);
    let (_, used) = head.issue(TokenRole::Node, None, Some(1));
    {
        let _here = head.node.enter();
        token::revoke(&revoked_id).unwrap();
        token::rotate(&rotated_id, None).unwrap();
    }
    hostile.join(head.at, &used, &asks(false), |_| {}).unwrap();
    let forged = Token { seed: [7; 32], role: good.role.clone(), id: good.id };
    let unknown = Token { seed: good.seed, role: good.role.clone(), id: [7; 8] };
    let mut refused = 0;
    for (token, why) in [
        (&expired, "expired"),
        (&revoked, "revoked"),
        (&rotated, "revoked"),
        (&used, "as often as it may be"),
        (&forged, "does not fit"),
        (&unknown, "no such token"),
    ] {
        let error = hostile.join(head.at, token, &asks(false), |_| {}).err();
        assert_eq!(error.as_deref(), Some("the token was refused"), "{why}");
        refused += 1;
        let words = ["raykit::audit", "a join was refused", "=127.0.0.11 ", why];
        assert!(logged(&words) >= 1, "{why}");
    }
    for message in [&b""[..], b"\x01\x00", &[0xff; 200]] {
        let connection = hostile.call(head.at, JOIN, None).unwrap();
        let answer = hostile.say(&connection, message).unwrap();
        assert!(answer.ends_with(b"the token was refused"));
        refused += 1;
    }
    assert_eq!(logged(&["a join was refused", "=127.0.0.11 "]), refused);
    // The tenth, and from then on a good one is of no use from there. Elsewhere it is.
    assert!(hostile.join(head.at, &forged, &asks(false), |_| {}).is_err());
    assert!(hostile.join(head.at, &good, &asks(false), |_| {}).is_err());
    assert!(logged(&["locked out", "=127.0.0.11 "]) >= 1);
    assert!(Hostile::new(12).join(head.at, &good, &asks(false), |_| {}).is_ok());
    head.is_well();
}

/// X1: no certificate, one of another cluster, one that has expired, or one that the cluster's own
/// key has not signed open nothing but the protocol of joining, and say nothing there.
#[test]
fn certificates_that_are_not_good_open_nothing() {
    let folder = std::env::temp_dir().join(format!("raykit-penetration-{}", std::process::id()));
    let head = Head::with(|config| config.keep(&folder));
    let (hostile, identity) = head.member(21, TokenRole::Node);
    let authority = std::fs::read(folder.join("authority.key")).unwrap();
    let cluster = std::fs::read_to_string(folder.join("cluster")).unwrap();
    let own = rcgen::KeyPair::try_from(authority).unwrap();
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let made = |by: &rcgen::KeyPair, from: i32, until: i32, role: &str, node: u32| {
        let mut issuer = rcgen::CertificateParams::default();
        issuer.distinguished_name = rcgen::DistinguishedName::new();
        let name = format!("raykit cluster {cluster}");
        issuer.distinguished_name.push(rcgen::DnType::CommonName, name);
        let names = ["raykit.cluster".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        let uri = format!("raykit://{cluster}/{role}/{node}").try_into().unwrap();
        params.subject_alt_names.push(rcgen::SanType::URI(uri));
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let certificate = params.signed_by(&key, &rcgen::Issuer::new(issuer, by)).unwrap();
        Identity { key, chain: vec![certificate.der().clone()], node }
    };
    // To see that it is the one thing that is wrong with each: such a one is let in.
    let (node, until) = (identity.node, 4000);
    let good = made(&own, 2000, until, "node", node);
    assert!(hostile.link(head.at, &good, node).is_ok());
    for (wrong, why) in [
        (made(&own, 2000, 2001, "node", node), "expired"),
        (made(&own, 3999, until, "node", node), "not yet good"),
        (made(&other, 2000, until, "node", node), "another cluster's"),
        (made(&own, 2000, until, "emperor", node), "no such role"),
    ] {
        assert!(hostile.link(head.at, &wrong, node).is_err(), "{why}");
        // Nor does it say anything there to somebody else.
        let Ok(connection) = hostile.call(head.at, LINK, Some(&wrong)) else { continue };
        assert!(hostile.ask(&connection, 1, b"\x03\x01").is_none(), "{why}");
    }
    let nobody = hostile.call(head.at, LINK, None).unwrap();
    assert!(hostile.ask(&nobody, 1, b"\x03\x01").is_none());
    assert_eq!(hostile.reason(&nobody), UNWELCOME);
    head.is_well();
    drop(head);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// X2: somebody who sits at the head's address, and has another key, is told nothing.
#[test]
fn who_is_not_the_head_is_told_nothing() {
    let head = Head::new();
    let hostile = Hostile::new(31);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(["raykit.cluster".to_owned()]).unwrap();
    let own = params.self_signed(&key).unwrap();
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], der)
        .unwrap();
    tls.alpn_protocols = vec![JOIN.to_vec()];
    let quic = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    hostile.endpoint.set_server_config(Some(quinn::ServerConfig::with_crypto(Arc::new(quic))));
    let at = hostile.endpoint.local_addr().unwrap();
    let endpoint = hostile.endpoint.clone();
    // What comes of the call that it gets, and of waiting for a word on it.
    let said = hostile.runtime.spawn(async move {
        let connection = endpoint.accept().await.expect("it has called").await?;
        connection.accept_bi().await.map(|_| ())
    });
    let token = {
        let _here = head.node.enter();
        raykit::join_token(None).unwrap()
    };
    let joins = Config::new().num_cpus(1).address(at.to_string()).token(token).start();
    let error = joins.expect_err("it is not the head");
    assert!(error.message().contains("is not the one in the token"), "{error}");
    // It has called, and has gone before it said a word.
    assert!(hostile.wait(said).unwrap().is_err());
}

/// X3: what a certificate does not say is not believed: another id, another role, or the rights of
/// an administrator. A driver stays one, also in its next certificate.
#[test]
fn nobody_is_more_than_his_certificate_says() {
    let head = Head::new();
    let (hostile, node) = head.member(41, TokenRole::Node);
    let (other, driver) = head.member(42, TokenRole::Client);
    // Its token is for a driver; it says that it is none.
    let (_, token) = head.issue(TokenRole::Client, None, None);
    let liar = other.join(head.at, &token, &asks(false), |_| {}).unwrap();
    {
        let _here = head.node.enter();
        eventually("all are known", || raykit::nodes().unwrap().len() == 4);
        let nodes = raykit::nodes().unwrap();
        let is_driver = |of: &Identity| {
            nodes
                .iter()
                .find(|one| one.id.to_string() == format!("n{}", of.node))
                .unwrap()
                .is_driver
        };
        assert!(!is_driver(&node) && is_driver(&driver) && is_driver(&liar));
    }
    for wrong in [driver.node, node.node + 1, 0, u32::MAX] {
        assert_eq!(hostile.link(head.at, &node, wrong).err().as_deref(), Some("4"), "{wrong}");
    }
    let with = |hostile: &Hostile, identity: &Identity| {
        let link = head.link(hostile, identity);
        let list = hostile.ask(&link.connection, 1, b"\x03\x01");
        let next = hostile.ask(&link.connection, 2, b"").expect("its next certificate");
        (String::from_utf8_lossy(&list.unwrap()).into_owned(), next, link)
    };
    for (hostile, identity, role) in [(&hostile, &node, "node"), (&other, &driver, "client")] {
        let (list, next, link) = with(hostile, identity);
        assert!(list.contains("only an administrator"), "{list}");
        let says = |role: &str| {
            let name = format!("/{role}/{}", identity.node);
            next.windows(name.len()).any(|part| part == name.as_bytes())
        };
        assert!(says(role) && !says("admin") && !says("head"));
        drop(link);
    }
    let (hostile, admin) = head.member(43, TokenRole::Admin);
    let (list, _, _link) = with(&hostile, &admin);
    assert!(!list.contains("only an administrator"), "{list}");
    assert_eq!(logged(&["an order about tokens was refused"]), 2);
    head.is_well();
}

/// The frame `Lease`: run this for me.
fn lease(of: u32, sequence: u64, spec: &[u8]) -> Vec<u8> {
    Bytes::default()
        .add([20])
        .add(of.to_le_bytes())
        .add(sequence.to_le_bytes())
        .add(0_u32.to_le_bytes())
        .add([0; 24])
        .add(0_u32.to_le_bytes())
        .sized(spec)
        .add(0_u32.to_le_bytes())
        .add(1_u64.to_le_bytes())
        .0
}

/// X4, I24: a call that cannot be read, or of a function that the node does not have, is refused
/// with an error, and nothing runs.
#[test]
fn calls_that_make_no_sense_are_refused() {
    let head = Head::new();
    let (hostile, identity) = head.member(51, TokenRole::Node);
    let mut link = head.link(&hostile, &identity);
    let unknown =
        Bytes::default().add([7; 16]).add([0; 2]).add([0]).add([0; 4]).add([0; 2]).add([0; 9]);
    hostile.wait(async {
        link.packet(0, &[&[1][..], &1_u64.to_le_bytes()].concat()).await.unwrap();
        let specs = [&b""[..], b"\xff\xff\xff", &unknown.0, &[0xff; 4000]];
        for (number, spec) in (1..).zip(specs) {
            link.packet(number, &lease(identity.node, number, spec)).await.unwrap();
        }
        for spec in specs {
            let refused = link.next(22).await;
            let why = String::from_utf8_lossy(&refused).into_owned();
            let words = if spec.len() == unknown.0.len() {
                "is not in the program"
            } else {
                "cannot be read"
            };
            assert!(why.contains(words), "{why}");
        }
    });
    // For a task of somebody else's it does not even answer.
    head.is_well();
}

/// P10, X4, X5: a member that says what comes to its mind costs itself its link. The head and its
/// work go on, and nobody is talked out of the cluster.
#[test]
fn a_member_that_raves_harms_nobody() {
    let head = Head::new();
    let (hostile, identity) = head.member(61, TokenRole::Node);
    let mut seed = 7_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    for round in 0..40 {
        let Ok(mut link) = hostile.link(head.at, &identity, identity.node) else { continue };
        hostile.wait(async {
            let _ = link.packet(0, &[&[1][..], &1_u64.to_le_bytes()].concat()).await;
            // That it was declared dead, that others are, that there are others, and noise.
            let _ = link.packet(0, &[8]).await;
            for number in 1..50 {
                let len = random() as usize % 60;
                let mut frame: Vec<u8> = (0..len).map(|_| random() as u8).collect();
                frame.insert(0, (random() % 70) as u8);
                if link.packet(if round % 2 == 0 { number } else { 0 }, &frame).await.is_err() {
                    return;
                }
            }
        });
    }
    // A frame that is longer than one may be.
    let (hostile, identity) = head.member(62, TokenRole::Node);
    let mut link = head.link(&hostile, &identity);
    hostile.wait(link.send.write_all(&u32::MAX.to_le_bytes())).unwrap();
    assert_eq!(hostile.reason(&link.connection), PROTOCOL);
    head.is_well();
}

/// X5: requests that say they are longer than they may be, or of no kind, get no answer; the link
/// is none the worse.
#[test]
fn oversized_requests_get_no_answer() {
    let head = Head::new();
    let (hostile, identity) = head.member(71, TokenRole::Node);
    let link = head.link(&hostile, &identity);
    for head in [&[1, 0xff, 0xff, 0xff, 0xff][..], &[2, 0, 0, 1, 1], &[9, 0, 0, 0, 0], &[1]] {
        let answer = hostile.wait(async {
            let (mut send, mut receive) = link.connection.open_bi().await.unwrap();
            send.write_all(head).await.unwrap();
            send.finish().unwrap();
            receive.read_to_end(100).await.ok().filter(|answer| !answer.is_empty())
        });
        assert_eq!(answer, None, "{head:?}");
    }
    let joins = hostile.call(head.at, JOIN, None).unwrap();
    let answer = hostile.wait(async {
        let (mut send, mut receive) = joins.open_bi().await.unwrap();
        send.write_all(&u32::MAX.to_le_bytes()).await.unwrap();
        receive.read_to_end(100).await.ok().filter(|answer| !answer.is_empty())
    });
    assert_eq!(answer, None);
    assert!(hostile.ask(&link.connection, 2, b"").is_some(), "the link is in use");
    head.is_well();
}

/// X5: as many connections as there may be from one address, none of which says anything. Somebody
/// else comes in all the while, and in the end they are turned away.
#[test]
fn who_is_slow_keeps_nobody_out() {
    let head = Head::new();
    let hostile = Hostile::new(81);
    let held: Vec<_> = (0..200).map_while(|_| hostile.call(head.at, JOIN, None).ok()).collect();
    assert!((32..=64).contains(&held.len()), "{} were let in", held.len());
    assert!(logged(&["too many handshakes are under way", "127.0.0.81"]) >= 1);
    // One of them says a byte of its message, and then no other.
    let mut streams = hostile.wait(held[0].open_bi()).unwrap();
    hostile.wait(streams.0.write_all(&[9])).unwrap();
    head.is_well();
    for connection in &held {
        assert!([GOODBYE, PROTOCOL, UNWELCOME].contains(&hostile.reason(connection)));
    }
}

/// X5, SEC22: thousands of handshakes that are begun and left alone. From some number on that
/// address is not answered; others are.
#[test]
fn a_flood_of_handshakes_leaves_room_for_others() {
    let head = Head::new();
    let hostile = Hostile::new(91);
    let within = hostile.runtime.enter();
    for _ in 0..2_000 {
        let config = hostile::client(JOIN, None);
        let begun = hostile.endpoint.connect_with(config, head.at, "raykit.cluster").unwrap();
        hostile.runtime.spawn(async move { drop(begun.await) });
    }
    drop(within);
    head.is_well();
    eventually("the flood is seen", || {
        logged(&["too many handshakes were begun", "127.0.0.91"]) >= 1
    });
    head.is_well();
}

/// X5: what a stranger sends without showing that its address is its own brings little more than
/// three times as many bytes to that address.
#[test]
fn nobody_is_flooded_in_the_name_of_another() {
    let head = Head::new();
    let hostile = Hostile::new(102);
    // The first datagram of a handshake, as quinn makes it.
    let tap = UdpSocket::bind("127.0.0.103:0").unwrap();
    tap.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let within = hostile.runtime.enter();
    let at = tap.local_addr().unwrap();
    let begun = hostile.endpoint.connect_with(hostile::client(JOIN, None), at, "raykit.cluster");
    drop(within);
    let mut first = [0; 2_000];
    let (len, _) = tap.recv_from(&mut first).unwrap();
    drop(begun);
    let unknown_version = [&[0xc0, 1, 2, 3, 4, 8][..], &[5; 1_300]].concat();
    let all = [&first[..len], &unknown_version, &unknown_version[..100], &[0x40; 60], &[0xff]];
    let sent = all.map(|datagram| {
        let socket = UdpSocket::bind("127.0.0.101:0").unwrap();
        // So long that it hears what the head sends again, since nobody answers.
        socket.set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
        socket.send_to(datagram, head.at).unwrap();
        (socket, datagram.len())
    });
    for (socket, len) in sent {
        let (mut got, mut buffer) = (0, [0; 65_536]);
        while let Ok((more, _)) = socket.recv_from(&mut buffer) {
            got += more;
        }
        // QUIC says three times; quinn counts a datagram after it has gone.
        assert!(got <= 4 * len, "{got} bytes for {len}");
    }
    head.is_well();
}

/// X7: a token that was put in the place of another lets in, the old one does not; who has joined
/// with that stays.
#[test]
fn a_token_that_is_replaced_keeps_who_has_joined() {
    let head = Head::new();
    let (id, old) = head.issue(TokenRole::Node, None, None);
    let hostile = Hostile::new(111);
    let identity = hostile.join(head.at, &old, &asks(false), |_| {}).unwrap();
    let link = head.link(&hostile, &identity);
    let new = {
        let _here = head.node.enter();
        Token::parse(&token::rotate(&id, None).unwrap().token)
    };
    assert!(hostile.join(head.at, &old, &asks(false), |_| {}).is_err());
    assert!(hostile.join(head.at, &new, &asks(false), |_| {}).is_ok());
    assert!(hostile.ask(&link.connection, 2, b"").is_some(), "it has its next certificate");
    // SEC32: an audit finds who came with which token, and what was done with it.
    for (words, times) in [
        (["tokens were seen to", "Rotate", &id], 1),
        (["joined", "=127.0.0.111:", &id], 1),
        (["a join was refused", "=127.0.0.111 ", &id], 1),
        (["a certificate was renewed", &format!("node=n{}", identity.node), ""], 1),
    ] {
        assert_eq!(logged(&[&["raykit::audit"], &words[..]].concat()), times, "{words:?}");
    }
}

/// What was recorded is of no use later: neither the datagrams of a join, nor its message on
/// another connection, nor with another key.
#[test]
fn nothing_can_be_replayed() {
    let head = Head::new();
    let (id, token) = head.issue(TokenRole::Node, None, None);
    let hostile = Hostile::new(121);
    // A relay that writes down what goes to the head.
    let relay = Arc::new(UdpSocket::bind("127.0.0.122:0").unwrap());
    relay.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (at, to) = (relay.local_addr().unwrap(), head.at);
    let written = Arc::new(Mutex::new(Vec::new()));
    let (over, end) = std::sync::mpsc::channel::<()>();
    let carries = {
        let written = Arc::clone(&written);
        std::thread::spawn(move || {
            let (mut caller, mut buffer) = (None, [0; 65_536]);
            while end.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                let Ok((len, from)) = relay.recv_from(&mut buffer) else { continue };
                if from == to {
                    caller.map(|caller| relay.send_to(&buffer[..len], caller));
                } else {
                    caller = Some(from);
                    written.lock().unwrap().push(buffer[..len].to_vec());
                    relay.send_to(&buffer[..len], to).unwrap();
                }
            }
        })
    };
    let mut message = Vec::new();
    hostile.join(at, &token, &asks(false), |bytes| message = bytes.clone()).unwrap();
    drop(over);
    carries.join().unwrap();
    eventually("it has joined", || head.nodes() == 2);
    let uses = head.uses(&id);
    assert_eq!(uses, 1);
    let replays = UdpSocket::bind("127.0.0.123:0").unwrap();
    for datagram in written.lock().unwrap().iter() {
        replays.send_to(datagram, head.at).unwrap();
    }
    let connection = hostile.call(head.at, JOIN, None).unwrap();
    assert!(hostile.say(&connection, &message).unwrap().ends_with(b"the token was refused"));
    let other_key = |bytes: &mut Vec<u8>| bytes[10..42].copy_from_slice(&[7; 32]);
    assert!(hostile.join(head.at, &token, &asks(false), other_key).is_err());
    head.is_well();
    assert_eq!(head.uses(&id), uses);
}

/// A node that was told to go is gone for good: its certificate is good still, and of no use.
#[test]
fn who_was_declared_dead_is_done_nothing_for() {
    let head = Head::new();
    let (hostile, identity) = head.member(131, TokenRole::Node);
    let link = head.link(&hostile, &identity);
    assert!(hostile.ask(&link.connection, 2, b"").is_some());
    let _here = head.node.enter();
    assert_eq!(raykit::nodes().unwrap().len(), 2);
    link.connection.close(GOODBYE.into(), b"");
    eventually("it is declared dead", || raykit::nodes().unwrap().len() == 1);
    let mut again = head.link(&hostile, &identity);
    let told = hostile.wait(again.next(8));
    assert!(told.is_empty(), "it is told so");
    assert!(hostile.ask(&again.connection, 2, b"").is_none(), "it gets no certificate");
    let state = [&[2, 0][..], &[0, 0], &9_u32.to_le_bytes()].concat();
    assert!(hostile.ask(&again.connection, 1, &state).is_none(), "nor any answer");
    assert_eq!(raykit::nodes().unwrap().len(), 1);
    assert_eq!(twice::remote(1).get().unwrap(), 2);
}

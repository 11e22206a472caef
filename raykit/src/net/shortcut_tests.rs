//! Packets that leave the link for a socket, and that come back to it.

use super::near::{Given, Guest, wait};
use super::*;
use crate::base::limits::net::OUTBOX_BYTES_MAX;
use crate::net::framing::MARK;
use crate::net::shortcut::Shortcut;
use crate::shm::{self, Arena, Pipe, Socket, Word};
use std::io::{ErrorKind, IoSlice};

fn near() -> Setting {
    Setting { arena: Some(Arena::new(1 << 20)), ..Setting::default() }
}

/// The shortcut that this side's packets take to the peer.
fn shortcut(end: &End, peer: NodeId) -> Option<Arc<Shortcut>> {
    end.look(move |road| {
        let link = road.links().find(|(id, _)| **id == peer);
        link.and_then(|(_, link)| link.outbox.shortcut())
    })
}

fn await_shortcut(end: &End, peer: NodeId) -> Arc<Shortcut> {
    let begun = Instant::now();
    loop {
        if let Some(shortcut) = shortcut(end, peer) {
            return shortcut;
        }
        assert!(begun.elapsed() < LONG, "there is no shortcut");
        std::thread::yield_now();
    }
}

/// Sends so many numbers, a few at a time.
fn send_numbers(from: &End, to: NodeId, numbers: std::ops::Range<u32>) {
    for first in numbers.clone().step_by(10) {
        from.act(move |road| {
            (first..numbers.end.min(first + 10)).for_each(|n| road.send(to, n.to_le_bytes()));
        });
    }
}

/// The link is up while both send: they turn in the middle of it.
#[test]
fn packets_stay_in_order_while_both_sides_turn() {
    const PACKETS: u32 = 50_000;
    for _ in 0..5 {
        let (head, node) = pair(near(), near());
        for first in (0..PACKETS).step_by(100) {
            send_numbers(&head, node.id, first..first + 100);
            send_numbers(&node, head.id, first..first + 100);
        }
        for (end, peer) in [(&head, node.id), (&node, head.id)] {
            for number in 0..PACKETS {
                assert_eq!(end.next(), arrived(peer, number.to_le_bytes()));
            }
            await_shortcut(end, peer);
        }
        let large: Arc<[u8]> = vec![7; FRAME_BYTES_MAX].into();
        let (sent, peer) = (large.clone(), node.id);
        head.act(move |road| (0..3).for_each(|_| road.send(peer, sent.clone())));
        head.send(node.id, b"");
        (0..3).for_each(|_| assert!(node.next() == arrived(head.id, large.clone())));
        assert_eq!(node.next(), arrived(head.id, Vec::new()));
        assert_eq!(head.look(move |road| road.queued_bytes(peer)), 0);
    }
}

#[test]
fn where_one_side_shares_nothing_there_is_no_shortcut() {
    for (head, node) in [(near(), Setting::default()), (Setting::default(), near())] {
        let (head, node) = pair(head, node);
        // Asked after the question for a shortcut, and answered after it.
        assert!(node.fetch(head.id, b"none").is_err());
        send_numbers(&node, head.id, 0..100);
        (0_u32..100).for_each(|n| assert_eq!(head.next(), arrived(node.id, n.to_le_bytes())));
        assert!(shortcut(&head, node.id).is_none() && shortcut(&node, head.id).is_none());
    }
}

/// Numbers as they arrive, up to what is no packet.
fn numbers(end: &End) -> (Vec<u32>, Happening) {
    let mut come = Vec::new();
    loop {
        match end.next_but_suspect() {
            Happening::Arrived(_, packet) => {
                come.push(u32::from_le_bytes(packet[..].try_into().unwrap()));
            }
            other => return (come, other),
        }
    }
}

/// The socket is cut in the middle of a flood: each side is told that packets may be lost, and the
/// next link goes without a shortcut. What is sent again there arrives.
#[test]
fn a_shortcut_that_is_cut_ends_its_link_and_the_next_one_has_none() {
    const PACKETS: u32 = 20_000;
    let (head, node) = pair(near(), near());
    await_shortcut(&node, head.id);
    let cut = await_shortcut(&head, node.id);
    send_numbers(&node, head.id, 0..PACKETS / 2);
    cut.end();
    send_numbers(&node, head.id, PACKETS / 2..PACKETS);
    let (mut come, ended) = numbers(&head);
    assert_eq!(ended, down(node.id, false));
    assert!(come.iter().copied().eq(0..come.len() as u32), "none is missing in between");
    assert_eq!(node.next_but_suspect(), down(head.id, false));

    node.connect(&head);
    assert_eq!(node.next(), Happening::Up(head.id));
    assert_eq!(head.next(), Happening::Up(node.id));
    send_numbers(&node, head.id, come.len() as u32..PACKETS);
    let peer = head.id;
    node.act(move |road| road.disconnect(peer));
    let (rest, ended) = numbers(&head);
    assert_eq!(ended, down(node.id, true));
    come.extend(rest);
    assert!(come.into_iter().eq(0..PACKETS));
    node.connect(&head);
    assert_eq!(head.next(), Happening::Up(node.id));
    assert!(node.fetch(head.id, b"none").is_err());
    assert!(shortcut(&head, node.id).is_none() && shortcut(&node, head.id).is_none());
}

#[test]
fn who_closes_says_goodbye_behind_its_last_packet() {
    const PACKETS: u32 = 20_000;
    let (head, node) = pair(near(), near());
    await_shortcut(&node, head.id);
    await_shortcut(&head, node.id);
    let peer = head.id;
    node.look(move |road| (0..PACKETS).for_each(|n| road.send(peer, n.to_le_bytes())));
    let End { net, id, .. } = node;
    net.close(LONG);
    let (come, ended) = numbers(&head);
    assert_eq!(ended, down(id, true));
    assert!(come.into_iter().eq(0..PACKETS));
}

/// As when its process is killed: the socket ends at once, and that alone says nothing.
#[test]
fn who_is_gone_is_suspected_before_its_link_is_lost() {
    let brisk = || Setting { pace: brisk(), ..near() };
    let (head, node) = pair(brisk(), brisk());
    let peer = node.id;
    let proven =
        move |road: &mut Road| road.links().any(|(id, link)| *id == peer && link.nonce.is_none());
    while !head.look(proven) {}
    await_shortcut(&node, head.id);
    await_shortcut(&head, peer);
    drop(node);
    assert_eq!(head.next(), Happening::Suspect { peer, near: true });
    assert_eq!(head.next(), down(peer, false));
}

/// Shows a secret at a socket. What comes of it.
fn enter((secret, answer, name): &Given) -> Option<Option<Pipe>> {
    let socket = Socket::connect(name).unwrap();
    socket.send(&Word::Enter(*secret), None).unwrap();
    let (word, file) = wait(&socket).unwrap()?;
    assert_eq!(word, Word::Welcome(*answer));
    Some(file.map(Pipe::from))
}

impl Guest {
    fn write_on_link(&mut self, bytes: &[u8]) {
        self.stranger.runtime.block_on(self.streams.0.write_all(bytes)).unwrap();
    }

    /// One that has a shortcut, and has turned to it.
    fn turned(head: &End) -> (Guest, Pipe) {
        let mut guest = Guest::new(head);
        let pipe = enter(&guest.invitation(Kind::Shortcut)).unwrap().expect("an end of it");
        guest.write_on_link(&MARK);
        (guest, pipe)
    }

    fn is_cut_off(&self, head: &End) {
        assert_eq!(head.next(), down(self.stranger.node, false));
        let reason = self.stranger.reason(&self.connection);
        assert!(closed_with(&reason, Code::Protocol), "{reason}");
    }
}

fn write(pipe: &Pipe, bytes: &[u8]) {
    assert_eq!(pipe.write(&[IoSlice::new(bytes)]).unwrap(), bytes.len());
}

fn read(pipe: &Pipe, into: &mut [u8]) -> usize {
    let begun = Instant::now();
    loop {
        match pipe.read(into) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < LONG => {
                std::thread::yield_now();
            }
            other => return other.unwrap(),
        }
    }
}

#[test]
fn who_was_not_invited_gets_no_shortcut() {
    let head = End::head(near());
    let mut guest = Guest::new(&head);
    let own = guest.stranger.node;
    assert_eq!(guest.ask(Kind::Shortcut, shm::host() ^ 1), b"", "it is on another host");
    let (secret, answer, name) = guest.invitation(Kind::Shortcut);
    assert!(enter(&([0; 16], answer, name.clone())).is_none(), "it was guessed");
    let memory = guest.invitation(Kind::Near);
    assert!(enter(&memory).expect("a welcome").is_none(), "it was invited to something else");
    let given = (secret, answer, name);
    let pipe = enter(&given).unwrap().expect("an end");
    assert!(enter(&given).is_none(), "it is good once");
    assert!(enter(&guest.invitation(Kind::Shortcut)).is_none(), "the link has one");

    // Until it turns, the link is the way.
    head.send(own, b"one");
    guest.write_on_link(b"\x03\0\0\0one");
    assert_eq!(head.next(), arrived(own, *b"one"));
    write(&pipe, b"\x03\0\0\0two");
    guest.write_on_link(&MARK);
    assert_eq!(head.next(), arrived(own, *b"two"));
    await_shortcut(&head, own);
    head.send(own, b"two");
    let mut come = [0; 9];
    assert_eq!((read(&pipe, &mut come), &come[..7]), (7, &b"\x03\0\0\0two"[..]));
    guest.stranger.runtime.block_on(async {
        let mut come = [0; 40 + 7 + 4];
        guest.streams.1.read_exact(&mut come).await.unwrap();
        assert_eq!(come[40..], [&b"\x03\0\0\0one"[..], &MARK].concat());
    });
    let (asked, peer) = (guest.invitation(Kind::Shortcut), own);
    head.look(move |road| road.fence(peer));
    assert!(enter(&asked).is_none(), "the link has one");
    let _ = pipe.write(&[IoSlice::new(b"\x03\0\0\0ooo")]); // if it is not closed already
    assert!(closed_with(&guest.stranger.reason(&guest.connection), Code::Goodbye));
    assert!(head.happens.try_recv().is_err(), "the dead are not heard");
}

#[test]
fn who_breaks_the_rules_of_a_shortcut_is_cut_off() {
    let head = End::head(near());
    let mut guest = Guest::new(&head);
    guest.write_on_link(&MARK);
    guest.is_cut_off(&head); // there is none

    let (guest, pipe) = Guest::turned(&head);
    let long = (FRAME_BYTES_MAX as u32 + 1).to_le_bytes();
    write(&pipe, &[&b"\x02\0\0\0ok"[..], &long].concat());
    assert_eq!(head.next(), arrived(guest.stranger.node, *b"ok"));
    guest.is_cut_off(&head);

    let (guest, pipe) = Guest::turned(&head);
    write(&pipe, &MARK); // it leads nowhere from there
    guest.is_cut_off(&head);

    let (mut guest, _pipe) = Guest::turned(&head);
    guest.write_on_link(b"\x02\0\0\0no");
    guest.is_cut_off(&head);
}

#[test]
fn one_that_does_not_read_its_shortcut_is_given_up() {
    let head = End::head(near());
    let (guest, _pipe) = Guest::turned(&head);
    let peer = guest.stranger.node;
    await_shortcut(&head, peer);
    let large: Arc<[u8]> = vec![7; FRAME_BYTES_MAX].into();
    let packets = OUTBOX_BYTES_MAX / FRAME_BYTES_MAX + 1;
    head.act(move |road| (0..packets).for_each(|_| road.send(peer, large.clone())));
    guest.is_cut_off(&head);
}

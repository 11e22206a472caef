//! `Outbox`: a line of frames to one node and from it, each delivered once and in order for as long
//! as both nodes live, over links that lose what was under way when they end. Frames are numbered;
//! what was not acknowledged is sent again, and what arrived before is dropped.

use super::bugs::{Bug, planted};
use super::wire::{Bytes, Frame, Reader, Wire};
use std::collections::VecDeque;

/// The number of a frame that is outside of the line: it may be lost.
const LOOSE: u64 = 0;
/// Packets that are sent again at once; the rest follows when these are acknowledged.
const RESENT_MAX: usize = 256;
/// What is kept of the memory that packets are written in.
const DESK_BYTES_MAX: usize = 4 << 10;

/// One end of a line.
#[derive(Debug)]
pub(super) struct Outbox {
    link: Link,
    /// The number of the next frame.
    next: u64,
    /// Those that were not acknowledged, as packets.
    unacked: VecDeque<(u64, Bytes)>,
    unacked_bytes: usize,
    /// Of the frame that should arrive next.
    expected: u64,
    /// The highest number up to which the other end knows that all has arrived.
    acked: u64,
    /// Where packets are written, over and over.
    desk: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    /// It is there, and the other end has not said what it expects.
    Fresh,
    Open,
}

/// What an arrived packet was.
pub(super) enum Arrived {
    Frame(Frame),
    /// It has arrived before, or too early.
    Nothing,
    /// It is no packet.
    Broken,
}

fn packet(desk: &mut Vec<u8>, number: u64, ack: u64, frame: &Frame) -> Bytes {
    (number, ack).put(desk);
    frame.put(desk);
    let packet = Bytes::from(&desk[..]);
    desk.clear();
    desk.shrink_to(DESK_BYTES_MAX);
    packet
}

impl Outbox {
    pub(super) fn new() -> Outbox {
        Outbox {
            link: Link::Down,
            next: 1,
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            expected: 1,
            acked: 0,
            desk: Vec::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.link != Link::Down
    }

    /// Bytes that the other end has not acknowledged.
    pub(super) fn bytes(&self) -> usize {
        self.unacked_bytes
    }

    /// Frames that the other end has not acknowledged.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn frames(&self) -> usize {
        self.unacked.len()
    }

    /// The number of the frame that is to come next.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn expects(&self) -> u64 {
        self.expected
    }

    /// Whether something waits for its acknowledgement.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unacked.is_empty()
    }

    /// Whether the other end does not know yet what has arrived.
    pub(super) fn owes_ack(&self) -> bool {
        self.link == Link::Open && self.acked + 1 < self.expected
    }

    /// Frames that have arrived and are not acknowledged.
    pub(super) fn owed(&self) -> u64 {
        self.expected - 1 - self.acked
    }

    fn stamp(&mut self) -> u64 {
        self.acked = self.expected - 1;
        self.acked
    }

    /// Puts a frame into the line. The packet, if it can be sent now.
    pub(super) fn send(&mut self, frame: &Frame) -> Option<Bytes> {
        let number = self.next;
        self.next += 1;
        let ack = if self.link == Link::Open { self.stamp() } else { self.expected - 1 };
        let packet = packet(&mut self.desk, number, ack, frame);
        self.unacked_bytes += packet.len();
        self.unacked.push_back((number, packet.clone()));
        (self.link == Link::Open).then_some(packet)
    }

    /// A packet outside of the line, if there is a link.
    pub(super) fn send_loose(&mut self, frame: &Frame) -> Option<Bytes> {
        if !self.is_up() {
            return None;
        }
        let ack = if self.link == Link::Open { self.stamp() } else { self.expected - 1 };
        Some(packet(&mut self.desk, LOOSE, ack, frame))
    }

    /// There is a link. The packet that opens the line on it.
    pub(super) fn up(&mut self) -> Bytes {
        self.link = Link::Fresh;
        self.hello()
    }

    fn hello(&self) -> Bytes {
        let resume = Frame::Resume { next: self.expected };
        packet(&mut Vec::new(), LOOSE, self.expected - 1, &resume)
    }

    /// There is a link, and nothing has arrived on it.
    pub(super) fn is_fresh(&self) -> bool {
        self.link == Link::Fresh
    }

    pub(super) fn down(&mut self) {
        self.link = Link::Down;
    }

    /// The other end expects this number next: what to send again. The line is open.
    pub(super) fn resume(&mut self, next: u64) -> Vec<Bytes> {
        self.acknowledge(next.saturating_sub(1));
        self.link = Link::Open;
        if planted(Bug::NoResend) {
            self.unacked.clear();
            self.unacked_bytes = 0;
        }
        self.unacked.iter().map(|(_, packet)| packet.clone()).collect()
    }

    /// What was not acknowledged, up to a bound, or what opens the line: a packet may have been
    /// lost on a living link.
    pub(super) fn again(&self) -> Vec<Bytes> {
        match self.link {
            Link::Down => return Vec::new(),
            Link::Fresh => return vec![self.hello()],
            Link::Open => {}
        }
        self.unacked.iter().take(RESENT_MAX).map(|(_, packet)| packet.clone()).collect()
    }

    fn acknowledge(&mut self, up_to: u64) {
        while let Some((number, packet)) = self.unacked.front()
            && *number <= up_to
        {
            self.unacked_bytes -= packet.len();
            self.unacked.pop_front();
        }
    }

    /// Reads a packet.
    pub(super) fn arrived(&mut self, packet: &[u8]) -> Arrived {
        let mut reader = Reader::new(packet);
        let Some((number, ack)) = <(u64, u64)>::take(&mut reader) else { return Arrived::Broken };
        if ack >= self.next {
            return Arrived::Broken; // what was never sent
        }
        self.acknowledge(ack);
        let again = planted(Bug::NoDedup) && number < self.expected;
        if number != LOOSE && number < self.expected && !planted(Bug::AckOnce) {
            // The word that it has come was lost.
            self.acked = self.acked.min(number - 1);
        }
        if number != LOOSE && number != self.expected && !again {
            return Arrived::Nothing;
        }
        let Some(frame) = Frame::take(&mut reader) else { return Arrived::Broken };
        if !reader.rest().is_empty() {
            return Arrived::Broken;
        }
        self.expected += u64::from(number == self.expected);
        Arrived::Frame(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// One end of a line, what is under way to it, and what has come out there.
    struct End {
        line: Outbox,
        coming: VecDeque<Bytes>,
        got: Vec<u32>,
    }

    impl End {
        fn new() -> End {
            End { line: Outbox::new(), coming: VecDeque::new(), got: Vec::new() }
        }

        /// Takes in one packet. What it has others send.
        fn step(&mut self) -> Vec<Bytes> {
            let Some(packet) = self.coming.pop_front() else { return Vec::new() };
            match self.line.arrived(&packet) {
                Arrived::Frame(Frame::Ask { room }) => self.got.push(room),
                Arrived::Frame(Frame::Resume { next }) => return self.line.resume(next),
                Arrived::Frame(_) | Arrived::Nothing => {}
                Arrived::Broken => panic!("a packet of ours is broken"),
            }
            Vec::new()
        }
    }

    /// Links that end at random moments with all that is under way, and links that lose or double
    /// single packets: all frames arrive once and in order.
    #[test]
    fn a_line_survives_its_links() {
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let (mut a, mut b) = (End::new(), End::new());
            let mut sent = 0_u32;
            for step in 0..3_000_u32 {
                let calm = step > 2_000;
                match rng.below(10) {
                    0 if !calm && rng.below(20) == 0 => {
                        (a.coming, b.coming) = Default::default();
                        a.line.down();
                        b.line.down();
                    }
                    1 if !a.line.is_up() => {
                        b.coming.push_back(a.line.up());
                        a.coming.push_back(b.line.up());
                    }
                    2 | 3 if !calm => {
                        b.coming.extend(a.line.send(&Frame::Ask { room: sent }));
                        sent += 1;
                    }
                    4 => a.coming.extend(b.line.send_loose(&Frame::Ack {})),
                    5 => b.coming.extend(a.line.again()),
                    6 if !calm && seed % 2 == 0 => drop(b.coming.pop_front()),
                    7 if seed % 3 == 0 => {
                        let first = b.coming.front().cloned();
                        b.coming.extend(first);
                    }
                    _ => {
                        for _ in 0..8 {
                            b.coming.extend(a.step());
                            a.coming.extend(b.step());
                        }
                    }
                }
            }
            assert_eq!(b.got, (0..sent).collect::<Vec<_>>(), "seed {seed}");
            assert!(sent > 100 && a.line.unacked_bytes == 0, "seed {seed}");
        }
    }

    #[test]
    fn what_was_never_sent_is_not_acknowledged() {
        let mut line = Outbox::new();
        let mut other = Outbox::new();
        line.up();
        let forged = packet(&mut Vec::new(), LOOSE, 7, &Frame::Ack {});
        assert!(matches!(line.arrived(&forged), Arrived::Broken));
        other.up();
        assert!(matches!(line.arrived(&[1, 2, 3]), Arrived::Broken));
    }
}

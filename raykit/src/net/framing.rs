//! Frames on a stream: a length of four bytes, little end first, and so many bytes. And the few
//! fixed messages of the handshakes, read with every length checked against what is there.

use crate::base::limits::net::FRAME_BYTES_MAX;
use bytes::Bytes;
use std::sync::Arc;

const LENGTH_BYTES: usize = 4;

/// In the place of a length: no packet comes here any more, they take another way.
pub(super) const MARK: [u8; LENGTH_BYTES] = [0xff; LENGTH_BYTES];

/// From this size on a packet is not copied beside others into one piece.
const COPY_BYTES_MAX: usize = 16 << 10;

/// Pieces that small packets are gathered into.
const PIECE_BYTES: usize = 256 << 10;

/// How long the frame of `packet` is.
pub(super) fn frame_bytes(packet: &[u8]) -> usize {
    LENGTH_BYTES + packet.len()
}

/// The frames of `packets`, in pieces to be written one after the other.
pub(super) fn pack(packets: Vec<Arc<[u8]>>) -> Vec<Bytes> {
    let total: usize = packets.iter().map(|packet| frame_bytes(packet)).sum();
    let mut pieces = Vec::new();
    let mut open = Vec::with_capacity(total.min(PIECE_BYTES));
    for packet in packets {
        // `Outbox` takes none that are longer than a frame.
        open.extend_from_slice(&(packet.len() as u32).to_le_bytes());
        if packet.len() < COPY_BYTES_MAX {
            open.extend_from_slice(&packet);
        } else {
            pieces.push(std::mem::take(&mut open).into());
            pieces.push(Bytes::from_owner(packet));
        }
        if open.len() >= PIECE_BYTES {
            pieces.push(std::mem::replace(&mut open, Vec::with_capacity(PIECE_BYTES)).into());
        }
    }
    if !open.is_empty() {
        pieces.push(open.into());
    }
    pieces
}

/// Why no packet follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// They take another way.
    Mark,
    /// The peer's frame is longer than one may be, or stands behind a mark.
    Broken,
}

/// Cuts a stream into packets, whatever pieces it arrives in.
#[derive(Default)]
pub(super) struct Splitter {
    /// The beginning of a frame whose end has not arrived.
    held: Vec<u8>,
}

impl Splitter {
    /// Adds the packets that `piece` completes to `packets`.
    pub(super) fn push(
        &mut self,
        mut piece: &[u8],
        packets: &mut Vec<Arc<[u8]>>,
    ) -> Result<(), Stop> {
        while !self.held.is_empty() {
            let wanted = match length(&self.held)? {
                None => LENGTH_BYTES,
                Some(length) => LENGTH_BYTES + length,
            };
            let missing = wanted - self.held.len();
            let (now, later) = piece.split_at(missing.min(piece.len()));
            self.held.extend_from_slice(now);
            piece = later;
            if now.len() < missing {
                return Ok(());
            }
            if self.held == MARK {
                return Err(if piece.is_empty() { Stop::Mark } else { Stop::Broken });
            }
            if length(&self.held)?.is_some_and(|length| self.held.len() == LENGTH_BYTES + length) {
                packets.push(self.held[LENGTH_BYTES..].into());
                self.held.clear();
                self.held.shrink_to(COPY_BYTES_MAX);
            }
        }
        while let Some(length) = length(piece)? {
            let Some(packet) = piece.get(LENGTH_BYTES..LENGTH_BYTES + length) else { break };
            packets.push(packet.into());
            piece = &piece[LENGTH_BYTES + length..];
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }
}

/// The length that `bytes` begin with, once it is there.
fn length(bytes: &[u8]) -> Result<Option<usize>, Stop> {
    let Some(length) = bytes.first_chunk() else { return Ok(None) };
    match u32::from_le_bytes(*length) as usize {
        _ if *bytes == MARK => Err(Stop::Mark),
        length if length > FRAME_BYTES_MAX => Err(Stop::Broken),
        length => Ok(Some(length)),
    }
}

/// Writes the fields of a handshake's message.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn u16(self, value: u16) -> Self {
        self.fixed(&value.to_le_bytes())
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.fixed(&value.to_le_bytes())
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.fixed(&value.to_le_bytes())
    }

    /// Bytes with their length before them.
    pub(super) fn sized(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len() as u32).fixed(bytes)
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what `Writer` wrote; `None` as soon as something is missing.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.fixed().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.fixed().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.fixed().map(u64::from_le_bytes)
    }

    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// `value`, if nothing is left over.
    pub(super) fn whole<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(bytes: &[u8], step: usize) -> Result<Vec<Arc<[u8]>>, Stop> {
        let (mut splitter, mut packets) = (Splitter::default(), Vec::new());
        for piece in bytes.chunks(step) {
            splitter.push(piece, &mut packets)?;
        }
        Ok(packets)
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in(
            lengths in prop::collection::vec(prop_oneof![0..40usize, 16_000..20_000usize], 0..20),
            step in prop_oneof![1..9usize, 1000..70_000usize],
        ) {
            let packet = |(at, length): (usize, &usize)| Arc::from(vec![at as u8; *length]);
            let packets: Vec<Arc<[u8]>> = lengths.iter().enumerate().map(packet).collect();
            let bytes = pack(packets.clone()).concat();
            prop_assert_eq!(split(&bytes, step), Ok(packets));
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1..9usize) {
            let _ = split(&bytes, step);
        }
    }

    #[test]
    fn an_oversize_frame_is_found_at_its_length() {
        let mut bytes = pack(vec![Arc::from(*b"fine")]).concat();
        bytes.extend((FRAME_BYTES_MAX as u32 + 1).to_le_bytes());
        for step in 1..bytes.len() {
            assert_eq!(split(&bytes, step), Err(Stop::Broken));
        }
    }

    #[test]
    fn a_mark_is_the_last_that_comes() {
        let bytes = [&pack(vec![Arc::from(*b"fine")]).concat()[..], &MARK].concat();
        for step in 1..=bytes.len() {
            assert_eq!(split(&bytes, step), Err(Stop::Mark));
        }
        let more = [&bytes[..], b"x"].concat();
        assert_eq!(split(&more, more.len()), Err(Stop::Broken));
        assert_eq!(split(&more, more.len() - 3), Err(Stop::Broken), "the mark in two pieces");
    }

    #[test]
    fn a_message_that_is_cut_is_not_read() {
        let bytes = Writer::default().u16(7).sized(b"abc").u64(9).done();
        let read = |bytes| {
            let mut reader = Reader(bytes);
            let fields = (reader.u16()?, reader.sized()?, reader.u64()?);
            reader.whole(fields)
        };
        assert_eq!(read(&bytes), Some((7, &b"abc"[..], 9)));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None);
        }
        assert_eq!(read(&[&bytes[..], b"!"].concat()), None);
    }
}

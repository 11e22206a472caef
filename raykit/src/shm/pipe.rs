//! A socket that carries bytes between two processes of a host. It is made as a pair, of which one
//! end is handed over.

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, SocketType,
};
use std::io::{IoSlice, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Parts that are written at once; the system takes 1,024 at the most.
const PARTS_MAX: usize = 64;

/// One end. It does not wait: what cannot be done at once is `WouldBlock`, whatever the other
/// process has made of its own end.
pub(crate) struct Pipe(OwnedFd);

impl Pipe {
    pub(crate) fn pair() -> Result<(Pipe, Pipe)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let ends = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok((Pipe(ends.0), Pipe(ends.1)))
    }

    /// How many bytes of `parts` there was room for.
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> Result<usize> {
        let parts = &parts[..parts.len().min(PARTS_MAX)];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let mut beside = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(&self.0, parts, &mut beside, flags)?)
    }

    /// How many bytes have come; none when the other end writes no more.
    pub(crate) fn read(&self, into: &mut [u8]) -> Result<usize> {
        let (count, _) = rustix::net::recv(&self.0, into, RecvFlags::DONTWAIT)?;
        Ok(count)
    }

    /// Nothing more is written here. What has been written arrives.
    pub(crate) fn end_writing(&self) {
        // It fails where the other end is gone, and then nobody is there to hear.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Write);
    }

    /// Nothing more is written or read at either end.
    pub(crate) fn end(&self) {
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

/// An end that was handed over. On what is no socket each step fails.
impl From<OwnedFd> for Pipe {
    fn from(file: OwnedFd) -> Pipe {
        Pipe(file)
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Pipe {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    fn write(pipe: &Pipe, parts: &[&[u8]]) -> Result<usize> {
        pipe.write(&parts.iter().map(|part| IoSlice::new(part)).collect::<Vec<_>>())
    }

    #[test]
    fn bytes_arrive_in_order_and_the_end_is_seen() {
        let (one, other) = Pipe::pair().unwrap();
        let mut into = [0; 8];
        assert_eq!(other.read(&mut into).err().unwrap().kind(), ErrorKind::WouldBlock);
        assert_eq!(write(&one, &[b"ab", b"", b"cd"]).unwrap(), 4);
        assert_eq!(write(&one, &[&b"e"[..]; 2 * PARTS_MAX]).unwrap(), PARTS_MAX);
        one.end_writing();
        assert!(write(&one, &[b"f"]).is_err());
        assert_eq!((other.read(&mut into).unwrap(), &into), (8, b"abcdeeee"));
        let mut rest = [0; 2 * PARTS_MAX];
        assert_eq!(other.read(&mut rest).unwrap(), PARTS_MAX - 4);
        assert_eq!(other.read(&mut rest).unwrap(), 0);
        write(&other, &[b"back"]).unwrap();
        assert_eq!(one.read(&mut into).unwrap(), 4);
        other.end();
        assert_eq!(one.read(&mut into).unwrap(), 0);
    }

    #[test]
    fn an_end_does_not_wait_even_if_the_other_process_would_have_it_wait() {
        let (one, other) = Pipe::pair().unwrap();
        rustix::io::ioctl_fionbio(&one, false).unwrap();
        assert_eq!(one.read(&mut [0; 8]).err().unwrap().kind(), ErrorKind::WouldBlock);
        let full = loop {
            if let Err(error) = write(&one, &[&[0; 4 << 10]]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        drop(other);
        assert!(write(&one, &[b"x"]).is_err());
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let file = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let none = Pipe::from(file);
        assert!(none.read(&mut [0; 8]).is_err() && write(&none, &[b"x"]).is_err());
        none.end();
    }
}

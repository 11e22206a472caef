//! The socket on which files of segments are handed over: between processes of one user on one
//! host, each of whose ends asks the system who is at the other one. It keeps messages apart, so
//! that several threads can send on it.

use super::words::Word;
use crate::base::limits::shm::MESSAGE_BYTES_MAX;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags,
    SocketType,
};
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Connections that nobody has looked at.
const BACKLOG: i32 = 64;

/// One end of a connection. It does not wait: what cannot be done at once is `WouldBlock`.
#[derive(Clone)]
pub(crate) struct Socket(Arc<OwnedFd>);

/// Where others of this user knock.
pub(crate) struct Door {
    socket: OwnedFd,
    name: Vec<u8>,
    /// Who may come in.
    user: u32,
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn new() -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Whether the process at the other end, as it was when it connected, is one of this user's.
fn check(socket: BorrowedFd<'_>, user: u32) -> Result<()> {
    match socket_peercred(socket)?.uid.as_raw() {
        uid if uid == user => Ok(()),
        uid => {
            let text = format!("a process of user {uid} is at the other end, not of {user}");
            Err(Error::new(ErrorKind::PermissionDenied, text))
        }
    }
}

impl Door {
    /// A door of this name, which is in no folder: it is gone with this process.
    pub(crate) fn open(name: &[u8]) -> Result<Door> {
        let socket = new()?;
        rustix::net::bind(&socket, &SocketAddrUnix::new_abstract_name(name)?)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Door { socket, name: name.to_vec(), user: own_user() })
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whoever has knocked.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where nobody has, `PermissionDenied` where it was another user.
    pub(crate) fn accept(&self) -> Result<Socket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::accept_with(&self.socket, flags)?;
        check(socket.as_fd(), self.user)?;
        Ok(Socket(Arc::new(socket)))
    }
}

impl AsRawFd for Door {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Socket {
    /// Knocks at a door of another process.
    pub(crate) fn connect(name: &[u8]) -> Result<Socket> {
        let socket = new()?;
        rustix::net::connect(&socket, &SocketAddrUnix::new_abstract_name(name)?)?;
        check(socket.as_fd(), own_user())?;
        Ok(Socket(Arc::new(socket)))
    }

    /// Sends a word, and a file beside it.
    pub(crate) fn send(&self, word: &Word, file: Option<BorrowedFd<'_>>) -> Result<()> {
        let bytes = word.encode();
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "the word is too long"));
        }
        let files = file.map(|file| [file]);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if let Some(files) = &files {
            beside.push(SendAncillaryMessage::ScmRights(files));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(&*self.0, &[IoSlice::new(&bytes)], &mut beside, flags)?;
        Ok(())
    }

    /// Nothing more will be sent from here: the other end hears that this one is gone. What it
    /// says is still heard.
    pub(crate) fn fall_silent(&self) {
        // It fails where the other end is gone, and then nobody is there to hear.
        let _ = rustix::net::shutdown(&*self.0, Shutdown::Write);
    }

    /// The next word, and the file beside it; `None` when the other end is gone.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where none has come; `InvalidData` where it is none.
    pub(crate) fn receive(&self) -> Result<Option<(Word, Option<OwnedFd>)>> {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let into = &mut [IoSliceMut::new(&mut bytes)];
        let message = match rustix::net::recvmsg(&*self.0, into, &mut beside, flags) {
            Err(Errno::CONNRESET) => return Ok(None),
            other => other?,
        };
        if message.bytes == 0 {
            return Ok(None);
        }
        // All files are taken, so that those that nobody wants are closed.
        let files = beside.drain().filter_map(|one| match one {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        });
        let file = files.flatten().next();
        let whole = !message.flags.contains(ReturnFlags::TRUNC);
        let word = Word::decode(&bytes[..message.bytes]).filter(|_| whole);
        let broken = || Error::new(ErrorKind::InvalidData, "a message cannot be read");
        Ok(Some((word.ok_or_else(broken)?, file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(of: &str) -> Vec<u8> {
        format!("raykit-test-{of}-{}", std::process::id()).into_bytes()
    }

    /// What has come, once it has.
    fn wait<T>(mut come: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match come() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                other => return other,
            }
        }
    }

    #[test]
    fn words_and_files_pass_in_order_and_the_end_is_seen() {
        let door = Door::open(&name("pass")).unwrap();
        assert_eq!(door.accept().err().unwrap().kind(), ErrorKind::WouldBlock);
        let reader = Socket::connect(door.name()).unwrap();
        let owner = wait(|| door.accept()).unwrap();
        let file = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        owner.send(&Word::Gone { segment: 1 }, None).unwrap();
        owner.send(&Word::Segment { id: 2, bytes: 3 }, Some(file.as_fd())).unwrap();
        let (first, none) = wait(|| reader.receive()).unwrap().unwrap();
        assert_eq!((first, none.is_none()), (Word::Gone { segment: 1 }, true));
        let (second, passed) = wait(|| reader.receive()).unwrap().unwrap();
        assert_eq!(second, Word::Segment { id: 2, bytes: 3 });
        let same = |file: BorrowedFd<'_>| rustix::fs::fstat(file).unwrap().st_ino;
        assert_eq!(same(passed.unwrap().as_fd()), same(file.as_fd()));
        let other = reader.clone();
        drop(reader);
        assert_eq!(owner.receive().err().unwrap().kind(), ErrorKind::WouldBlock, "one is left");
        drop(other);
        assert!(wait(|| owner.receive()).unwrap().is_none());
        assert!(owner.send(&Word::Gone { segment: 1 }, None).is_err());
    }

    #[test]
    fn who_falls_silent_still_hears() {
        let door = Door::open(&name("silent")).unwrap();
        let reader = Socket::connect(door.name()).unwrap();
        let owner = wait(|| door.accept()).unwrap();
        owner.send(&Word::Gone { segment: 1 }, None).unwrap();
        owner.fall_silent();
        assert!(owner.send(&Word::Gone { segment: 2 }, None).is_err());
        let (last, _) = wait(|| reader.receive()).unwrap().unwrap();
        assert_eq!(last, Word::Gone { segment: 1 });
        assert!(wait(|| reader.receive()).unwrap().is_none());
        reader.send(&Word::Release(vec![3]), None).unwrap();
        let (heard, _) = wait(|| owner.receive()).unwrap().unwrap();
        assert_eq!(heard, Word::Release(vec![3]));
        drop(reader);
        assert!(wait(|| owner.receive()).unwrap().is_none());
        owner.fall_silent();
    }

    #[test]
    fn another_user_is_turned_away() {
        let mut door = Door::open(&name("user")).unwrap();
        door.user += 1;
        let stranger = Socket::connect(door.name()).unwrap();
        let refused = wait(|| door.accept()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        assert!(refused.to_string().contains("user"), "{refused}");
        assert!(wait(|| stranger.receive()).unwrap().is_none(), "the connection was closed");
        assert!(Door::open(door.name()).is_err(), "the name is taken");
    }

    #[test]
    fn what_is_no_word_is_an_error() {
        let door = Door::open(&name("broken")).unwrap();
        let reader = Socket::connect(door.name()).unwrap();
        let owner = wait(|| door.accept()).unwrap();
        for bytes in [&b"\x09"[..], &[8; MESSAGE_BYTES_MAX + 1]] {
            rustix::net::send(&*reader.0, bytes, SendFlags::empty()).unwrap();
            let error = wait(|| owner.receive()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
        let long = Word::Ask { call: 1, request: vec![0; MESSAGE_BYTES_MAX] };
        assert_eq!(reader.send(&long, None).err().unwrap().kind(), ErrorKind::InvalidInput);
    }
}

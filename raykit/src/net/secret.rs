//! Bytes that nobody else may see, and bytes that nobody can guess.

use crate::object::{Error, ErrorKind, Result};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

/// Secret bytes: not shown, and overwritten when they are dropped.
#[derive(Clone)]
pub(super) struct Secret<T: AsMut<[u8]> + AsRef<[u8]>>(T);

impl<T: AsMut<[u8]> + AsRef<[u8]>> Secret<T> {
    pub(super) fn new(bytes: T) -> Self {
        Secret(bytes)
    }

    pub(super) fn bytes(&self) -> &T {
        &self.0
    }
}

impl<T: AsMut<[u8]> + AsRef<[u8]>> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.as_mut().fill(0);
        // Without this the compiler may leave out a write that nobody reads.
        std::hint::black_box(self.0.as_ref());
    }
}

impl<T: AsMut<[u8]> + AsRef<[u8]>> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// `N` bytes of the operating system's chance.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Io, "the system gives no random bytes"))?;
    Ok(bytes)
}

/// SHA-256 of `bytes`.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}

//! Where tokens lie: a head leaves one for the user's other processes on its host.

#[cfg(feature = "cluster")]
use crate::logs::Home;
use crate::node::settings::Hidden;
use crate::object::error::{Error, ErrorKind, Result};
use std::net::{ToSocketAddrs as _, UdpSocket};
use std::path::{Path, PathBuf};

/// The token in a file that nobody else may read.
pub(super) fn read(path: &Path) -> Result<Hidden> {
    #[cfg(feature = "cluster")]
    return crate::node::keyring::read_token(path).map(Hidden::new);
    #[cfg(not(feature = "cluster"))]
    Err(Error::new(ErrorKind::Config, format!("{}: no cluster can be joined", path.display())))
}

/// The user's folder for what ends with a session: only the user can enter it.
fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder).join("raykit"),
        None => std::env::temp_dir().join(format!("raykit-{}", user())),
    }
}

/// Where this user's nodes keep what they print: a folder for each of their processes.
#[cfg(feature = "cluster")]
pub(super) fn log_home() -> Home {
    match std::env::var_os("RAYKIT_LOG_FOLDER").filter(|folder| !folder.is_empty()) {
        Some(folder) => Home::Named(PathBuf::from(folder)),
        None => Home::Usual(std::env::temp_dir().join(format!("raykit-{}", user()))),
    }
}

/// A name that tells users apart.
fn user() -> String {
    #[cfg(target_os = "linux")]
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(line) = status.lines().find(|line| line.starts_with("Uid:"))
        && let Some(id) = line.split_whitespace().nth(1)
    {
        return id.to_owned();
    }
    std::env::var("USER").unwrap_or_else(|_| "user".to_owned())
}

/// Where the head that listens on this port leaves its token.
pub(super) fn place(port: &str) -> PathBuf {
    folder().join(format!("head-{port}.token"))
}

/// Where it leaves one for its administrator.
pub(super) fn admin_place(port: &str) -> PathBuf {
    folder().join(format!("head-{port}.admin"))
}

/// Whether `HOST:PORT` is an address of this host: one at which a socket can be made.
pub(super) fn is_of_this_host(address: &str) -> bool {
    let Ok(found) = address.to_socket_addrs() else { return false };
    found.into_iter().any(|mut at| {
        at.set_port(0);
        UdpSocket::bind(at).is_ok()
    })
}

/// The port in an address.
pub(super) fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or(address)
}

/// The token of the user's own head on this host.
pub(super) fn of_this_host(address: &str) -> Result<Hidden> {
    let path = place(port(address));
    if path.exists() {
        return read(&path);
    }
    let text = format!(
        "joining `{address}` takes a token: write the one that the head shows into a file that only \
         you can read and name it by `--token-file` or RAYKIT_TOKEN_FILE, or give it by RAYKIT_TOKEN"
    );
    Err(Error::new(ErrorKind::Refused, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_told_from_others() {
        for own in ["127.0.0.1:7000", "127.0.0.9:7000", "0.0.0.0:7000", "localhost:7000"] {
            assert!(is_of_this_host(own), "{own}");
        }
        // The first two are for documentation alone, and no host has them.
        for other in ["192.0.2.1:7000", "[2001:db8::1]:7000", "127.0.0.1", "", ":7000"] {
            assert!(!is_of_this_host(other), "{other}");
        }
    }
}

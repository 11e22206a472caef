//! `GET /metrics` on a socket of the node's own, for Prometheus. It answers nothing else, reads no
//! more than a request's head, and is there only if the settings name an address.

use super::{Node, metrics};
use crate::base::limits::{SCRAPE_BYTES_MAX, SCRAPE_MS, SCRAPES_MAX};
use crate::object::error::Result;
use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

/// The listener, until it is closed.
pub(crate) struct Scrape {
    pub(crate) address: SocketAddr,
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Scrape {
    /// Answers at `address` from now on.
    pub(super) fn open(node: &Arc<Node>, address: SocketAddr) -> Result<Scrape> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "whoever reaches this address reads the node's counters");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let (stopped, of) = (Arc::clone(&stop), Arc::downgrade(node));
        let name = format!("raykit-{}-metrics", node.id);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            runtime.spawn(listen(listener, of));
            runtime.block_on(stopped.notified());
        })?;
        Ok(Scrape { address, stop, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn close(&self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join(); // a panic there was printed when it happened
        }
    }
}

async fn listen(listener: std::net::TcpListener, node: Weak<Node>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let room = Arc::new(Semaphore::new(SCRAPES_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let node = Weak::clone(&node);
                tokio::spawn(async move {
                    let limit = Duration::from_millis(SCRAPE_MS);
                    // Who is too slow, or breaks off, gets no answer.
                    let _ = timeout(limit, answer(stream, &node)).await;
                    drop(place);
                });
            }
            // There are too many open files, or the like: it may pass.
            Err(_) => tokio::time::sleep(Duration::from_millis(SCRAPE_MS / 10)).await,
        }
    }
}

async fn answer(stream: TcpStream, node: &Weak<Node>) -> io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head.windows(4).position(|part| part == b"\r\n\r\n") {
            break Some(end);
        }
        if head.len() >= SCRAPE_BYTES_MAX {
            break None;
        }
        stream.readable().await?;
        let mut part = [0; 1024];
        match stream.try_read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(read) => head.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    };
    let (status, body) = match end.map(|end| asked(&head[..end])) {
        None => ("431 Request Header Fields Too Large", String::new()),
        Some(Asked::Metrics) => match node.upgrade() {
            Some(node) => ("200 OK", own_text(&node)),
            None => ("503 Service Unavailable", String::new()),
        },
        Some(Asked::Nothing(status)) => (status, String::new()),
    };
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut left = text.as_bytes();
    while !left.is_empty() {
        stream.writable().await?;
        match stream.try_write(left) {
            Ok(written) => left = &left[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    // What was not read is, or the other side would be told of a failure and drop the answer.
    let stream = stream.into_std()?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let stream = TcpStream::from_std(stream)?;
    let mut rest = 0;
    while rest < SCRAPE_BYTES_MAX {
        stream.readable().await?;
        match stream.try_read(&mut [0; 1024]) {
            Ok(0) => break,
            Ok(read) => rest += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The counters of one node.
fn own_text(node: &Node) -> String {
    let filter = super::census::Filter { state: None, name: None, limit: u32::MAX };
    metrics::text(&[node.state()], &node.functions_of(&filter).rows)
}

#[derive(Debug, PartialEq)]
enum Asked {
    Metrics,
    Nothing(&'static str),
}

/// What a request's head asks for.
fn asked(head: &[u8]) -> Asked {
    let bad = Asked::Nothing("400 Bad Request");
    let Ok(head) = std::str::from_utf8(head) else { return bad };
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, path, version] = words[..] else { return bad };
    if !version.starts_with("HTTP/1.") {
        return bad;
    }
    let mut hosts = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    });
    let host = hosts.next().filter(|host| is_no_foreign_name(host));
    if host.is_none() || hosts.next().is_some() {
        return Asked::Nothing("421 Misdirected Request");
    }
    match (method, path.split('?').next()) {
        ("GET", Some("/metrics")) => Asked::Metrics,
        ("GET", _) => Asked::Nothing("404 Not Found"),
        _ => Asked::Nothing("405 Method Not Allowed"),
    }
}

/// Whether the host in a request is an address, or this host. A web page that has its own name
/// point here would else read the answer.
fn is_no_foreign_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_with_suspicion() {
        let with_host = "\r\nHost: 127.0.0.1:9100";
        let table = [
            (format!("GET /metrics HTTP/1.1{with_host}"), Asked::Metrics),
            (format!("GET /metrics?x=1 HTTP/1.1{with_host}"), Asked::Metrics),
            ("GET /metrics HTTP/1.1\r\nhost:[::1]:9".into(), Asked::Metrics),
            (format!("GET / HTTP/1.1{with_host}"), Asked::Nothing("404 Not Found")),
            (
                format!("POST /metrics HTTP/1.1{with_host}"),
                Asked::Nothing("405 Method Not Allowed"),
            ),
            ("GET /metrics HTTP/1.1".into(), Asked::Nothing("421 Misdirected Request")),
            (
                "GET /metrics HTTP/1.1\r\nHost: evil.example".into(),
                Asked::Nothing("421 Misdirected Request"),
            ),
            (
                format!("GET /metrics HTTP/1.1{with_host}{with_host}"),
                Asked::Nothing("421 Misdirected Request"),
            ),
            (format!("GET /metrics HTTP/2{with_host}"), Asked::Nothing("400 Bad Request")),
            ("nonsense".into(), Asked::Nothing("400 Bad Request")),
        ];
        for (head, expected) in table {
            assert_eq!(asked(head.as_bytes()), expected, "{head}");
        }
        assert_eq!(asked(&[0xff]), Asked::Nothing("400 Bad Request"));
    }
}

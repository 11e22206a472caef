//! `async fn` tasks: many connections wait at once on a few threads, and one plain task follows
//! each. The server is a part of the program, on the loopback address, and slow on purpose.
//!
//! ```text
//! cargo run --release -p raykit-examples --example async_fetch -- 500
//! ```

use raykit::prelude::*;
use raykit_examples::{arguments, number};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const USAGE: &str = "usage: async_fetch [PAGES]   (standard: 200)";
const PAUSE: Duration = Duration::from_millis(50);

/// One page of the server, as text.
#[remote]
async fn fetch(server: SocketAddr, page: usize) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("GET /{page} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    let (_, body) = reply.split_once("\r\n\r\n").ok_or_else(|| anyhow::anyhow!("no body"))?;
    Ok(body.to_owned())
}

/// Runs on a worker when the page is there.
#[remote]
fn letters(page: &str) -> usize {
    page.chars().filter(|c| c.is_alphabetic()).count()
}

fn serve(listener: &TcpListener) -> std::io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept()?;
        std::thread::spawn(move || -> std::io::Result<()> {
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request)?;
            std::thread::sleep(PAUSE);
            let page = request.split_whitespace().nth(1).unwrap_or("/");
            write!(stream, "HTTP/1.0 200 OK\r\n\r\nthis is page {page}")
        });
    }
}

fn main() -> anyhow::Result<()> {
    let [pages] = arguments(USAGE);
    let pages = number(pages, 200_usize, USAGE);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let server = listener.local_addr()?;
    std::thread::spawn(move || serve(&listener));

    let _ray = raykit::init()?;
    let begun = Instant::now();
    let texts = fetch::map((0..pages).map(|page| (server, page)));
    let mut all = 0;
    for counted in raykit::as_completed(letters::map(&texts)) {
        all += counted.get()?;
    }
    println!(
        "{all} letters on {pages} pages in {:.0} ms; one after the other it would be {:.0} ms or more",
        begun.elapsed().as_secs_f64() * 1e3,
        (PAUSE * pages as u32).as_secs_f64() * 1e3
    );
    Ok(())
}

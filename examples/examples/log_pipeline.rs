//! A web server's log through a pipeline of streams: one task reads lines, one makes records of
//! them, one sums up; a stage that is ahead is held back.
//!
//! ```text
//! cargo run --release -p raykit-examples --example log_pipeline    # a made-up log
//! cargo run --release -p raykit-examples --example log_pipeline -- access.log 1_000_000    # makes the file
//! cargo run --release -p raykit-examples --example log_pipeline -- access.log
//! ```

use anyhow::Context as _;
use raykit::prelude::*;
use raykit_examples::{arguments, log_line, number, random_numbers, write_lines};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

const USAGE: &str = "\
usage: log_pipeline [FILE] [LINES]   (standard: 200_000 lines in a temporary file)
Sums up FILE, in the common log format. With LINES, writes so many made-up ones to FILE first.";
/// Items that a stage may be ahead of the next one.
const AHEAD: u32 = 500;
/// Lines read so far. All stages are in one process; a line is counted before it goes on its way.
static READ: AtomicU64 = AtomicU64::new(0);

#[remote(backpressure = AHEAD)]
fn lines(path: &str) -> anyhow::Result<impl Iterator<Item = std::io::Result<String>>> {
    let file = std::fs::File::open(path).with_context(|| path.to_owned())?;
    Ok(BufReader::new(file).lines().inspect(|_| _ = READ.fetch_add(1, Relaxed)))
}

/// Path, whether it is an error, bytes.
type Record = (String, bool, u64);

/// Of a line such as `10.0.0.1 - - [time] "GET /path?query HTTP/1.1" 200 5120`.
fn parse(line: &str) -> Option<Record> {
    let (request, answer) = line.split_once('"')?.1.split_once('"')?;
    let (status, bytes) = answer.trim().split_once(' ')?;
    let path = request.split([' ', '?']).nth(1)?;
    Some((path.to_owned(), status >= "400", bytes.parse().unwrap_or(0)))
}

#[remote(backpressure = AHEAD)]
fn records(lines: ObjectStream<String>) -> impl Iterator<Item = raykit::Result<Record>> {
    let other = || ("(no request)".to_owned(), true, 0);
    lines.map(move |line| Ok(parse(&line.shared()?).unwrap_or_else(other)))
}

/// Requests, errors and bytes by path, and how many lines the reader was ahead at the most.
#[remote]
fn sum_up(records: ObjectStream<Record>) -> raykit::Result<(BTreeMap<String, [u64; 3]>, u64)> {
    let (mut sums, mut ahead) = (BTreeMap::<_, [u64; 3]>::new(), 0);
    for (done, record) in records.enumerate() {
        ahead = ahead.max(READ.load(Relaxed) - done as u64);
        let (path, is_error, bytes) = record.get()?;
        let sum = sums.entry(path).or_default();
        *sum = [sum[0] + 1, sum[1] + u64::from(is_error), sum[2] + bytes];
    }
    Ok((sums, ahead))
}

fn main() -> anyhow::Result<()> {
    let [path, made] = arguments(USAGE);
    let makes = path.is_none() || made.is_some();
    let temporary = std::env::temp_dir().join("raykit_access.log").display().to_string();
    let path = path.unwrap_or(temporary);
    if makes {
        write_lines(&path, random_numbers().take(number(made, 200_000, USAGE)).map(log_line))?;
    }
    let _ray = raykit::init()?;
    let begun = Instant::now();
    let (sums, ahead) = sum_up::remote(records::remote(lines::remote(&path))).get()?;
    println!("{:>9} {:>9} {:>12}  path", "requests", "errors", "bytes");
    for (path, [requests, errors, bytes]) in sums {
        println!("{requests:>9} {errors:>9} {bytes:>12}  {path}");
    }
    println!("{} lines of {path} in {:.0?}", READ.load(Relaxed), begun.elapsed());
    println!("the reader was at most {ahead} lines ahead: each of two streams holds {AHEAD}");
    Ok(())
}

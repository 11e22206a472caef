//! Hashes the files of a directory with a pool of actors, each of which keeps its buffer and a count
//! from file to file.
//!
//! ```text
//! cargo run --release -p raykit-examples --example actor_pool              # the sources of raykit
//! cargo run --release -p raykit-examples --example actor_pool -- DIRECTORY
//! ```
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

use anyhow::Context as _;
use raykit::ActorPool;
use raykit::prelude::*;
use raykit_examples::{arguments, files_below};
use std::collections::HashMap;
use std::io::Read as _;
use std::time::Instant;

const USAGE: &str = "usage: actor_pool [DIRECTORY]   (standard: the sources of raykit)";
const BUFFER_BYTES: usize = 1 << 16;

#[remote]
struct Hasher {
    buffer: Vec<u8>,
    files: u64,
}

#[remote]
impl Hasher {
    pub fn new() -> Self {
        Hasher { buffer: vec![0; BUFFER_BYTES], files: 0 }
    }

    /// The file's hash (FNV-1a, 64 bits) and the number of its lines.
    pub fn hash(&mut self, path: String) -> anyhow::Result<(u64, u64)> {
        let mut file = std::fs::File::open(&path).with_context(|| path.clone())?;
        let (mut hash, mut lines) = (0xcbf2_9ce4_8422_2325, 0);
        self.files += 1;
        loop {
            let read = file.read(&mut self.buffer).with_context(|| path.clone())?;
            if read == 0 {
                return Ok((hash, lines));
            }
            for byte in &self.buffer[..read] {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                lines += u64::from(*byte == b'\n');
            }
        }
    }

    pub fn files(&self) -> u64 {
        self.files
    }
}

fn main() -> anyhow::Result<()> {
    let [directory] = arguments(USAGE);
    let directory = directory.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/..").into());
    let _ray = raykit::init()?;
    let begun = Instant::now();
    let paths: Vec<String> =
        files_below(directory.as_ref())?.into_iter().map(|(path, _)| path).collect();

    let pool = ActorPool::with(1..=8, Hasher::remote); // grows while files wait
    let mut same: HashMap<u64, Vec<&str>> = HashMap::new();
    let mut all_lines = 0;
    let results = pool.map(paths.iter().cloned(), |hasher, path| hasher.hash(path));
    for (path, result) in paths.iter().zip(results) {
        let (hash, lines) = result?;
        all_lines += lines;
        same.entry(hash).or_default().push(path);
    }

    let copies = same.values().filter(|paths| paths.len() > 1).count();
    println!("{} files, {all_lines} lines, {copies} contents more than once", paths.len());
    let work: Vec<_> =
        std::iter::from_fn(|| pool.pop_idle()).map(|hasher| hasher.files()).collect();
    println!("{:?} files by actor, {:.0?}", raykit::get(&work)?, begun.elapsed());
    Ok(())
}

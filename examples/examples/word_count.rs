//! Counts the words in a directory of text: a task for each piece of a file, then a tree of merges.
//!
//! ```text
//! cargo run --release -p raykit-examples --example word_count              # the sources of raykit
//! cargo run --release -p raykit-examples --example word_count -- DIRECTORY
//! cargo run --release -p raykit-examples --example word_count -- worker --help   # on several nodes
//! ```

use anyhow::Context as _;
use raykit::prelude::*;
use raykit_examples::{arguments, files_below};
use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::Instant;

const USAGE: &str = "usage: word_count [DIRECTORY]   (standard: the sources of raykit)";
const PIECE_BYTES: u64 = 1 << 20;

type Counts = HashMap<String, u64>;

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 // a letter of another script is several such bytes
}

/// Counts the words that begin in this piece of the file; the last one may end behind it.
#[remote]
fn count(path: &str, from: u64, to: u64) -> anyhow::Result<Counts> {
    const BEHIND: u64 = 4096;
    let base = from.saturating_sub(1); // the byte before tells whether a word begins
    let mut file = std::fs::File::open(path).with_context(|| path.to_owned())?;
    file.seek(SeekFrom::Start(base))?;
    let (mut bytes, mut counts) = (Vec::new(), Counts::new());
    file.take(to + BEHIND - base).read_to_end(&mut bytes)?;
    if bytes.contains(&0) {
        return Ok(counts); // no text
    }
    for word in bytes.split(|byte| !in_word(*byte)).filter(|word| !word.is_empty()) {
        let begins = base + (word.as_ptr().addr() - bytes.as_ptr().addr()) as u64;
        if (from..to).contains(&begins) {
            *counts.entry(String::from_utf8_lossy(word).to_lowercase()).or_default() += 1;
        }
    }
    Ok(counts)
}

#[remote]
fn merge(mut left: Counts, right: &Counts) -> Counts {
    right.iter().for_each(|(word, n)| *left.entry(word.clone()).or_default() += n);
    left
}

#[raykit::main]
fn main() -> anyhow::Result<()> {
    let [directory] = arguments(USAGE);
    let directory = directory.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/..").into());
    let _ray = raykit::init()?;
    let begun = Instant::now();
    let found = files_below(directory.as_ref())?;

    let pieces = found.iter().flat_map(|(path, len)| {
        let starts = (0..*len).step_by(PIECE_BYTES as usize);
        starts.map(move |from| (path.as_str(), from, len.min(&(from + PIECE_BYTES)).to_owned()))
    });
    let mut level = count::map(pieces);
    let tasks = level.len();
    while level.len() > 1 {
        let merged = level.chunks(2).map(|two| match two {
            [left, right] => merge::remote(left, right), // starts when both are there
            rest => rest[0].clone(),
        });
        level = merged.collect();
    }
    let counts = level.first().map_or_else(|| Ok(Counts::new()), ObjectRef::get)?;

    let mut words: Vec<_> = counts.iter().collect();
    words.sort_by_key(|(word, n)| (std::cmp::Reverse(**n), *word));
    words.iter().take(15).for_each(|(word, n)| println!("{n:>9}  {word}"));
    let (all, distinct) = (counts.values().sum::<u64>(), counts.len());
    println!("{all} words, {distinct} of them distinct, in {} files", found.len());
    println!("{tasks} tasks, {:.0?}", begun.elapsed());
    Ok(())
}

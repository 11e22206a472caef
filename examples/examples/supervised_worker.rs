//! A supervised actor counts the lines of the files of a directory and crashes now and then. It
//! comes back with the state that it kept last, its caller calls again, nothing is counted twice.
//!
//! ```text
//! cargo run --release -p raykit-examples --example supervised_worker
//! ```
#![allow(unreachable_pub, reason = "`pub` says which methods are remote")]

use raykit::prelude::*;
use raykit::{Decision, Restart, Supervisor};
use raykit_examples::{arguments, files_below, number, random_numbers};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const USAGE: &str = "\
usage: supervised_worker [DIRECTORY] [ONE_IN]   (standard: the sources of raykit, one in 60)
Counts the lines of the files in DIRECTORY; about one call in ONE_IN crashes the actor.";
/// Files counted, in all lives. In the state it would be set back, to the same crash again.
static COUNTED: AtomicUsize = AtomicUsize::new(0);

fn lines_of(path: &str) -> std::io::Result<usize> {
    Ok(std::fs::read(path)?.iter().filter(|byte| **byte == b'\n').count())
}

#[remote(checkpoint_every = 10)] // calls after which the state is kept
#[raykit::object]
struct Tally(BTreeSet<String>, usize, u64);

#[remote]
impl Tally {
    pub fn new(one_in: u64) -> Self {
        Tally(BTreeSet::new(), 0, one_in)
    }
    /// Counts a file, once however often this is called, and gives the sums: files and lines.
    pub fn count(&mut self, path: String) -> std::io::Result<(usize, usize)> {
        if self.0.insert(path.clone()) {
            let chance = random_numbers().nth(COUNTED.fetch_add(1, Relaxed));
            if chance.is_some_and(|chance| chance.is_multiple_of(self.2)) {
                // As `panic!`, in the middle of a change, but without a message on the terminal.
                std::panic::resume_unwind(Box::new("a crash on purpose"));
            }
            self.1 += lines_of(&path)?;
        }
        Ok((self.0.len(), self.1))
    }
    #[remote(on_stop)]
    fn last_word(&mut self) {
        println!("the actor's last word: {} files, {} lines", self.0.len(), self.1);
    }
}

fn main() -> anyhow::Result<()> {
    let [directory, one_in] = arguments(USAGE);
    let directory = directory.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/..").into());
    let paths: Vec<_> = files_below(directory.as_ref())?.into_iter().map(|file| file.0).collect();
    let _ray = raykit::init()?;
    let family = Supervisor::new(Restart::OneForOne).max_restarts(30, secs(60)).on_failure(|it| {
        println!("failure {}: {}", it.restarts + 1, it.error);
        Decision::Restart
    });
    let tally = Tally::options().supervisor(&family).remote(number(one_in, 60, USAGE));
    // A crash takes with it what was counted since the state was kept, of which the callers have
    // heard that it was done. So all calls are made again until none fails: that ran on one state.
    let (mut failed, mut sums) = (true, (0, 0));
    while std::mem::take(&mut failed) {
        for call in paths.iter().map(|path| tally.count(path)).collect::<Vec<_>>() {
            match call.get() {
                Err(error) if error.is_panic() => failed = true,
                result => sums = result?,
            }
        }
    }
    let plain: usize = paths.iter().map(|path| lines_of(path)).sum::<Result<_, _>>()?;
    assert_eq!(sums, (paths.len(), plain), "nothing is lost or counted twice");
    let (ended, again) = (tally.ended(), COUNTED.load(Relaxed) - paths.len());
    println!("{} restarts, {again} files counted once more, {plain} lines", tally.restarts());
    drop(tally); // nobody has a handle any more: the actor does what comes last
    println!("{}", ended.get()?);
    Ok(())
}

//! Word count, end to end.

use crate::bench::{Bench, Goal, Line, Outcome, RAY, RAYKIT, RAYON, Row, Unit, timed};
use crate::inputs;
use ::rayon::prelude::*;
use raykit::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

pub(crate) const ROW: Row = Row {
    name: "wordcount",
    lines: &[Line {
        key: "wordcount.all",
        what: "word count of 64 MB",
        unit: Unit::Seconds,
        peers: &[(RAYON, Goal::AtLeast(0.9)), (RAY, Goal::None)],
        under: None,
    }],
    note: "64 pieces of a seeded text with 10,000 different words are counted, and the counts merged: \
           raykit merges on the main thread as they come, rayon with `reduce`. Ray: the same text from \
           a file, `Counter` in tasks and merged in the driver.",
    run,
};

const PIECES: usize = 64;

type Counts = HashMap<String, u64>;

pub(crate) fn text() -> String {
    inputs::text(64_000_000)
}

/// The words of one piece, counted; raykit and rayon call the same.
fn counted(piece: &str) -> Counts {
    let mut counts = HashMap::<&str, u64>::new();
    for word in piece.split_ascii_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    counts.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

fn merge(total: &mut Counts, part: &Counts) {
    for (word, count) in part {
        match total.get_mut(word) {
            Some(total) => *total += count,
            None => drop(total.insert(word.clone(), *count)),
        }
    }
}

#[remote]
fn count(text: &str, from: usize, to: usize) -> Counts {
    counted(&text[from..to])
}

fn with_raykit(text: &ObjectRef<String>, pieces: &[Range<usize>]) -> raykit::Result<Counts> {
    let parts: Vec<_> = pieces.iter().map(|p| count::remote(text, p.start, p.end)).collect();
    let mut total = Counts::new();
    for part in raykit::as_completed(parts) {
        merge(&mut total, &*part.shared()?);
    }
    Ok(total)
}

fn with_rayon(text: &str, pieces: &[Range<usize>]) -> Counts {
    let parts = pieces.par_iter().map(|piece| counted(&text[piece.clone()]));
    parts.reduce(Counts::new, |mut total, part| {
        merge(&mut total, &part);
        total
    })
}

fn run(bench: &mut Bench) -> Outcome {
    let _ray = raykit::init()?;
    let reference = raykit::put(text())?;
    let text = reference.shared()?;
    let pieces = inputs::pieces(&text, PIECES);
    for _ in 0..bench.rounds {
        let (seconds, ours) = timed(|| with_raykit(&reference, &pieces));
        bench.record("wordcount.all", RAYKIT, seconds);
        let (seconds, theirs) = timed(|| with_rayon(&text, &pieces));
        bench.record("wordcount.all", RAYON, seconds);
        if ours? != theirs {
            return Err("raykit and rayon count differently".into());
        }
    }
    Ok(())
}

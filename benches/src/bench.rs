//! What a row is, and where its samples are kept. All figures are such that less is better.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

pub(crate) type Fault = Box<dyn Error + Send + Sync>;
pub(crate) type Outcome<T = ()> = Result<T, Fault>;

pub(crate) const RAYKIT: &str = "raykit";
pub(crate) const RAY: &str = "Ray";
pub(crate) const TOKIO: &str = "tokio";
pub(crate) const RAYON: &str = "rayon";

/// Something that can be asked for by name.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) lines: &'static [Line],
    /// How it is measured.
    pub(crate) note: &'static str,
    pub(crate) run: fn(&mut Bench) -> Outcome,
}

/// One figure of raykit's and what it is held against.
pub(crate) struct Line {
    pub(crate) key: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) peers: &'static [(&'static str, Goal)],
    /// The figure itself is to be less than this.
    pub(crate) under: Option<f64>,
}

#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// raykit takes at most this many times what the peer takes.
    AtMost(f64),
    /// raykit is at least this many times as fast as the peer.
    AtLeast(f64),
    /// Told for comparison.
    None,
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    /// Seconds for a gibibyte.
    SecondsOfGib,
    Bytes,
    Percent,
    Count,
}

impl Row {
    pub(crate) fn has_ray(&self) -> bool {
        self.lines.iter().any(|line| line.peers.iter().any(|(peer, _)| *peer == RAY))
    }
}

/// The samples of a run.
pub(crate) struct Bench {
    pub(crate) rounds: usize,
    samples: BTreeMap<(String, &'static str), Vec<f64>>,
    pub(crate) faults: Vec<String>,
}

/// Median, least and most of the rounds.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Bench {
    pub(crate) fn new(rounds: usize) -> Bench {
        Bench { rounds, samples: BTreeMap::new(), faults: Vec::new() }
    }

    pub(crate) fn record(&mut self, line: impl Into<String>, who: &'static str, value: f64) {
        self.samples.entry((line.into(), who)).or_default().push(value);
    }

    /// A row that failed is told at the end and does not end the run.
    pub(crate) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    pub(crate) fn figure(&self, line: &str, who: &'static str) -> Option<Figure> {
        let samples = self.samples.get(&(line.to_owned(), who))?;
        let least = samples.iter().copied().reduce(f64::min)?;
        let most = samples.iter().copied().reduce(f64::max)?;
        Some(Figure { median: median(samples.clone()), least, most })
    }
}

/// The middle one, or the mean of both middle ones.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => samples[middle],
        _ => (samples[middle - 1] + samples[middle]) / 2.0,
    }
}

/// Seconds that `what` takes, and what it gives.
pub(crate) fn timed<T>(what: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let value = what();
    (begun.elapsed().as_secs_f64(), value)
}

/// The median of `times` samples.
pub(crate) fn p50(times: usize, mut sample: impl FnMut() -> Outcome<f64>) -> Outcome<f64> {
    (0..times).map(|_| sample()).collect::<Outcome<Vec<f64>>>().map(median)
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        let mut bench = Bench::new(2);
        bench.record("a", RAYKIT, 1.0);
        bench.record("a", RAYKIT, 3.0);
        let figure = bench.figure("a", RAYKIT).expect("two samples are there");
        assert_eq!((figure.median, figure.least, figure.most), (2.0, 1.0, 3.0));
        assert!(bench.figure("a", RAY).is_none());
    }
}

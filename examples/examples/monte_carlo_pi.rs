//! Estimates pi from random points: many equal tasks, one number from each.
//!
//! ```text
//! cargo run --release -p raykit-examples --example monte_carlo_pi -- 500_000_000
//! ```

use raykit::prelude::*;
use raykit_examples::{arguments, number};
use std::time::Instant;

const USAGE: &str = "usage: monte_carlo_pi [SAMPLES]   (standard: 200_000_000)";

/// Samples of one task: some milliseconds of work.
const BATCH: u64 = 1_000_000;

/// SplitMix64: a small generator, good enough for this and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// How many of `samples` points in the square lie in the circle as well. Each seed has points of
/// its own.
#[remote]
fn hits(seed: u64, samples: u64) -> u64 {
    let mut random = Random(Random(seed).next());
    let mut hits = 0;
    for _ in 0..samples {
        let bits = random.next();
        let (x, y) = (f64::from(bits as u32), f64::from((bits >> 32) as u32));
        hits += u64::from(x * x + y * y <= f64::from(u32::MAX).powi(2));
    }
    hits
}

fn main() -> raykit::Result<()> {
    let [samples] = arguments(USAGE);
    let samples = number(samples, 200_000_000_u64, USAGE).max(1);
    let _ray = raykit::init()?;
    let begun = Instant::now();

    let starts = (0..samples).step_by(BATCH as usize);
    let refs = hits::map(starts.map(|start| (start, BATCH.min(samples - start))));
    raykit::progress(&refs)?; // a line on the terminal; nothing where there is none
    let hits: u64 = raykit::get(&refs)?.into_iter().sum();

    let seconds = begun.elapsed().as_secs_f64();
    let pi = 4.0 * hits as f64 / samples as f64;
    println!("pi is about {pi:.7} (off by {:.7})", (pi - std::f64::consts::PI).abs());
    println!(
        "{samples} samples in {} tasks, {seconds:.2} s, {:.0} million samples/s",
        refs.len(),
        samples as f64 / seconds / 1e6
    );
    Ok(())
}

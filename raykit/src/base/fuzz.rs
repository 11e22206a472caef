//! Decoders that meet bytes from outside, to be tried with any: by a fuzzer (`fuzz/`), and for a
//! moment by a test of each room that has some.

/// One of them.
#[cfg_attr(not(feature = "fuzzing"), expect(unreachable_pub, reason = "the fuzzer sees it"))]
pub struct Target {
    /// What it is called, and the folder of its corpus.
    pub name: &'static str,
    /// Reads the bytes. Should it panic, or what it has read not be what it writes, it has failed.
    pub run: fn(&[u8]),
    /// Bytes that it reads, for a fuzzer to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

#[cfg(test)]
impl Target {
    /// Tries the seeds as they are, cut short, and changed at random.
    pub(crate) fn try_all(&self, rounds: usize) {
        let seeds = (self.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", self.name);
        for seed in &seeds {
            (self.run)(seed);
            let step = (seed.len() / 200).max(1);
            (0..seed.len()).step_by(step).for_each(|len| (self.run)(&seed[..len]));
        }
        let mut rng = super::rng::Rng::new(7);
        for _ in 0..rounds {
            let mut bytes = seeds[rng.below(seeds.len())].clone();
            for _ in 0..=rng.below(4) {
                change(&mut bytes, &seeds, &mut rng);
            }
            (self.run)(&bytes);
        }
    }
}

#[cfg(test)]
fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut super::rng::Rng) {
    const SPECIAL: [u64; 6] = [0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 63];
    if bytes.is_empty() {
        return bytes.push(rng.next() as u8);
    }
    let at = rng.below(bytes.len());
    match rng.below(5) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.next() as u8,
        2 => {
            let number = SPECIAL[rng.below(SPECIAL.len())].to_le_bytes();
            let len = [4, 8][rng.below(2)].min(bytes.len() - at);
            bytes[at..at + len].copy_from_slice(&number[..len]);
        }
        3 => {
            bytes.remove(at);
        }
        _ => {
            let other = &seeds[rng.below(seeds.len())];
            let from = rng.below(other.len().max(1)).min(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

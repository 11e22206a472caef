//! Which GPU is whose. Whole ones belong to one task alone; parts of one share it, never more than
//! all of it. Parts go where least is free, so that whole ones stay whole.

use crate::base::quantity::Amount;

/// A part of a GPU, or all of it: its index on the node, and how much.
pub(crate) type Share = (u16, Amount);

/// What is free of each GPU of a node.
pub(super) struct Gpus(Vec<Amount>);

impl Gpus {
    pub(super) fn new(total: Amount) -> Gpus {
        let whole = total.0 / Amount::ONE.0;
        let rest = Amount(total.0 % Amount::ONE.0);
        let mut free: Vec<Amount> = (0..whole).map(|_| Amount::ONE).collect();
        free.extend((rest > Amount::ZERO).then_some(rest));
        Gpus(free)
    }

    /// These, and nothing of any other one.
    pub(super) fn of(shares: &[Share]) -> Gpus {
        let mut gpus = Gpus(Vec::new());
        gpus.give(shares);
        gpus
    }

    /// The GPUs of which `want` would be taken now.
    fn places(&self, want: Amount) -> Option<Vec<Share>> {
        let all = || self.0.iter().zip(0_u16..);
        if want < Amount::ONE {
            let room = all().filter(|(free, _)| **free >= want).min_by_key(|(free, _)| **free);
            return room.map(|(_, at)| vec![(at, want)]);
        }
        let count = usize::try_from(want.0 / Amount::ONE.0).ok()?;
        let whole = all().filter(|(free, _)| **free == Amount::ONE);
        let taken: Vec<Share> = whole.take(count).map(|(_, at)| (at, Amount::ONE)).collect();
        (taken.len() == count).then_some(taken)
    }

    pub(super) fn fits(&self, want: Amount) -> bool {
        want == Amount::ZERO || self.places(want).is_some()
    }

    /// Takes `want`, if it fits.
    pub(super) fn take(&mut self, want: Amount) -> Vec<Share> {
        let taken = match want {
            Amount::ZERO => Vec::new(),
            _ => self.places(want).unwrap_or_default(),
        };
        for (at, amount) in &taken {
            self.0[usize::from(*at)].0 -= amount.0;
        }
        taken
    }

    pub(super) fn give(&mut self, back: &[Share]) {
        for (at, amount) in back {
            let at = usize::from(*at);
            if self.0.len() <= at {
                self.0.resize(at + 1, Amount::ZERO);
            }
            self.0[at].0 += amount.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(steps: u64) -> Amount {
        Amount(steps)
    }

    #[test]
    fn whole_ones_are_exclusive_and_parts_share() {
        let mut all = Gpus::new(gpus(30_000));
        let half = all.take(gpus(5_000));
        assert_eq!(half, [(0, gpus(5_000))]);
        let two = all.take(gpus(20_000));
        assert_eq!(two, [(1, Amount::ONE), (2, Amount::ONE)]);
        assert!(!all.fits(Amount::ONE) && !all.fits(gpus(6_000)));
        let other = all.take(gpus(5_000));
        assert_eq!(other, [(0, gpus(5_000))]);
        all.give(&two);
        // A part goes where there is least, though all of another one is free.
        all.give(&half);
        assert_eq!(all.take(gpus(2_500)), [(0, gpus(2_500))]);
        assert_eq!(all.take(Amount::ONE), [(1, Amount::ONE)]);
    }

    #[test]
    fn halves_of_two_make_no_whole_one() {
        let mut all = Gpus::new(gpus(20_000));
        let (a, b, c) = (all.take(gpus(6_000)), all.take(gpus(6_000)), all.take(gpus(4_000)));
        assert_eq!((a[0].0, b[0].0, c[0].0), (0, 1, 0));
        all.give(&a);
        assert!(!all.fits(Amount::ONE) && all.fits(gpus(6_000)));
        all.give(&c);
        assert_eq!(all.take(Amount::ONE), [(0, Amount::ONE)]);
    }

    #[test]
    fn a_part_of_one_is_all_that_there_is() {
        let mut all = Gpus::new(gpus(5_000));
        assert!(all.fits(gpus(5_000)) && !all.fits(gpus(5_001)) && !all.fits(Amount::ONE));
        assert_eq!(all.take(gpus(5_000)).len(), 1);
        assert!(all.fits(Amount::ZERO) && Gpus::new(Amount::ZERO).fits(Amount::ZERO));
    }
}

//! Amounts of resources in fixed point, so that taking and giving back is exact: 0.1 taken ten
//! times is 1, and what comes back is what was taken.

use super::id::PlacementGroupId;
use std::borrow::Cow;
use std::fmt;

/// An amount in steps of 1/10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amount(pub(crate) u64);

impl Amount {
    const STEPS: f64 = 10_000.0;
    /// The largest amount of one resource.
    pub(crate) const MAX: f64 = 1e12;
    pub(crate) const ZERO: Amount = Amount(0);
    pub(crate) const ONE: Amount = Amount(10_000);

    /// The nearest step. `None` for what is not an amount: negative, not a number, too large, or
    /// above zero and yet less than a step.
    pub(crate) fn from_f64(value: f64) -> Option<Amount> {
        if !(0.0..=Self::MAX).contains(&value) {
            return None;
        }
        let steps = (value * Self::STEPS).round() as u64;
        (steps > 0 || value == 0.0).then_some(Amount(steps))
    }

    pub(crate) fn as_f64(self) -> f64 {
        self.0 as f64 / Self::STEPS
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

impl fmt::Display for Resources {
    /// As options are written: `num_cpus = 2, gpu = 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "num_cpus = {}", self.cpu)?;
        if self.gpu > Amount::ZERO {
            write!(f, ", num_gpus = {}", self.gpu)?;
        }
        if self.memory > 0 {
            write!(f, ", memory = {}", self.memory)?;
        }
        self.named.iter().try_for_each(|(name, amount)| write!(f, ", {name} = {amount}"))
    }
}

/// What a node has, or what a task holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) cpu: Amount,
    pub(crate) gpu: Amount,
    pub(crate) memory: u64,
    pub(crate) named: Vec<(Cow<'static, str>, Amount)>,
    /// Of what was granted: which GPUs, and how much of each. Empty everywhere else.
    pub(crate) gpus: Vec<(u16, Amount)>,
}

/// How the names begin that `Resources::in_group` gives.
struct GroupNames {
    any: String,
    one: String,
}

impl GroupNames {
    fn new(group: PlacementGroupId) -> GroupNames {
        GroupNames { any: format!("{group}/"), one: format!("{group}.") }
    }

    fn has(&self, name: &str) -> bool {
        name.starts_with(&self.any) || name.starts_with(&self.one)
    }
}

impl Resources {
    /// Whether nothing but CPU is asked for.
    pub(crate) fn is_cpu_only(&self) -> bool {
        self.gpu == Amount::ZERO
            && self.memory == 0
            && self.named.iter().all(|n| n.1 == Amount::ZERO)
    }

    fn named(&self, name: &str) -> Amount {
        self.named.iter().find(|held| held.0 == name).map_or(Amount::ZERO, |held| held.1)
    }

    /// What there is of `name` from now on, whatever was said of it before. Of what there is
    /// nothing of, the name is not kept.
    pub(crate) fn set_named(&mut self, name: Cow<'static, str>, amount: Amount) {
        self.named.retain(|held| held.0 != name);
        if amount > Amount::ZERO {
            self.named.push((name, amount));
        }
    }

    /// Whether all of it is there in `have`.
    pub(crate) fn fits(&self, have: &Resources) -> bool {
        self.cpu <= have.cpu
            && self.gpu <= have.gpu
            && self.memory <= have.memory
            && self.named.iter().all(|(name, want)| *want <= have.named(name))
    }

    /// What of `self` is lacking in `have`: name, wanted, had. `None` when all of it fits.
    pub(crate) fn lacking(&self, have: &Resources) -> Option<(String, String, String)> {
        let row = |name: &str, want: Amount, had: Amount| {
            (want > had).then(|| (name.to_owned(), want.to_string(), had.to_string()))
        };
        row("num_cpus", self.cpu, have.cpu)
            .or_else(|| row("num_gpus", self.gpu, have.gpu))
            .or_else(|| {
                (self.memory > have.memory)
                    .then(|| ("memory".into(), self.memory.to_string(), have.memory.to_string()))
            })
            .or_else(|| {
                self.named.iter().find_map(|(name, want)| row(name, *want, have.named(name)))
            })
    }

    /// Takes `want` out of here if all of it is there.
    pub(crate) fn take(&mut self, want: &Resources) -> bool {
        if !want.fits(self) {
            return false;
        }
        self.cpu.0 -= want.cpu.0;
        self.gpu.0 -= want.gpu.0;
        self.memory -= want.memory;
        for (name, amount) in &want.named {
            if let Some(held) = self.named.iter_mut().find(|held| held.0 == *name) {
                held.1.0 -= amount.0;
            }
        }
        true
    }

    /// Lowers what is here by `want`, to nothing at the least.
    pub(crate) fn keep_from(&mut self, want: &Resources) {
        self.cpu.0 = self.cpu.0.saturating_sub(want.cpu.0);
        self.gpu.0 = self.gpu.0.saturating_sub(want.gpu.0);
        self.memory = self.memory.saturating_sub(want.memory);
        for (name, amount) in &want.named {
            if let Some(held) = self.named.iter_mut().find(|held| held.0 == *name) {
                held.1.0 = held.1.0.saturating_sub(amount.0);
            }
        }
    }

    /// How the names end of CPUs that are reserved for a placement group.
    pub(crate) const CPU_OF_BUNDLE: &str = "/num_cpus";
    pub(crate) const GPU_OF_BUNDLE: &str = "/num_gpus";

    /// Whether CPUs are among it, a node's own or those of a bundle.
    pub(crate) fn has_cpu(&self) -> bool {
        self.cpu > Amount::ZERO
            || self.named.iter().any(|(name, _)| name.ends_with(Resources::CPU_OF_BUNDLE))
    }

    /// Whether GPUs are among it, a node's own or those of a bundle.
    pub(crate) fn has_gpus(&self) -> bool {
        self.gpu > Amount::ZERO
            || self.named.iter().any(|(name, _)| name.ends_with(Resources::GPU_OF_BUNDLE))
    }

    /// The same, of what is reserved for a placement group: of that bundle, or of any that lies on
    /// the same node. A node to which a bundle is given has these besides its own.
    pub(crate) fn in_group(&self, group: PlacementGroupId, bundle: Option<u32>) -> Resources {
        let mut named = Vec::new();
        let mut put = |kind: &str, amount: Amount| {
            if amount > Amount::ZERO {
                named.push((format!("{group}/{kind}").into(), amount));
                named.extend(bundle.map(|at| (format!("{group}.{at}/{kind}").into(), amount)));
            }
        };
        put(&Resources::CPU_OF_BUNDLE[1..], self.cpu);
        put(&Resources::GPU_OF_BUNDLE[1..], self.gpu);
        put("memory", Amount(self.memory));
        self.named.iter().for_each(|(name, amount)| put(name, *amount));
        Resources { named, ..Resources::NOTHING }
    }

    /// Whether something of what is reserved for that group is among it.
    pub(crate) fn is_of_group(&self, group: PlacementGroupId) -> bool {
        let of = GroupNames::new(group);
        self.named.iter().any(|(name, _)| of.has(name))
    }

    /// What of it is reserved for that group.
    pub(crate) fn of_group(&self, group: PlacementGroupId) -> Resources {
        let of = GroupNames::new(group);
        let named = self.named.iter().filter(|(name, _)| of.has(name)).cloned().collect();
        Resources { named, ..Resources::NOTHING }
    }

    /// Whether each name of it is known here, if only with nothing left.
    pub(crate) fn is_named_in(&self, here: &Resources) -> bool {
        let known = |name: &str| here.named.iter().any(|held| held.0 == name);
        self.named.iter().all(|(name, _)| known(name))
    }

    /// Adds the names of `other` that are not here, with nothing of them.
    pub(crate) fn add_names(&mut self, other: &Resources) {
        for (name, _) in &other.named {
            if self.named.iter().all(|held| held.0 != *name) {
                self.named.push((name.clone(), Amount::ZERO));
            }
        }
    }

    /// Forgets the names of what was reserved for that group.
    pub(crate) fn forget_group(&mut self, group: PlacementGroupId) {
        let of = GroupNames::new(group);
        self.named.retain(|(name, _)| !of.has(name));
    }

    /// No amount of anything.
    pub(crate) const NOTHING: Resources = Resources {
        cpu: Amount::ZERO,
        gpu: Amount::ZERO,
        memory: 0,
        named: Vec::new(),
        gpus: Vec::new(),
    };

    /// Adds `more`, names that are not here included.
    pub(crate) fn add(&mut self, more: &Resources) {
        for (name, amount) in &more.named {
            if self.named.iter().all(|held| held.0 != *name) && *amount > Amount::ZERO {
                self.named.push((name.clone(), Amount::ZERO));
            }
        }
        self.give(more);
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, back: &Resources) {
        self.cpu.0 += back.cpu.0;
        self.gpu.0 += back.gpu.0;
        self.memory = self.memory.saturating_add(back.memory);
        for (name, amount) in &back.named {
            if let Some(held) = self.named.iter_mut().find(|held| held.0 == *name) {
                held.1.0 += amount.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_in_steps() {
        let table: [(f64, Option<u64>); 9] = [
            (0.0, Some(0)),
            (1.0, Some(10_000)),
            (0.1, Some(1_000)),
            (0.0001, Some(1)),
            (0.00001, None),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e13, None),
        ];
        for (value, steps) in table {
            assert_eq!(Amount::from_f64(value).map(|a| a.0), steps, "{value}");
        }
    }

    #[test]
    fn ten_tenths_are_one() {
        let mut have = Resources { cpu: Amount::ONE, ..Default::default() };
        let tenth =
            Resources { cpu: Amount::from_f64(0.1).expect("an amount"), ..Default::default() };
        for _ in 0..10 {
            assert!(have.take(&tenth));
        }
        assert!(!have.take(&tenth));
        for _ in 0..10 {
            have.give(&tenth);
        }
        assert_eq!(have.cpu, Amount::ONE);
    }

    #[test]
    fn what_lacks_is_named_and_nothing_is_taken() {
        let named = |name: &'static str, n| vec![(Cow::Borrowed(name), Amount(n))];
        let mut have =
            Resources { cpu: Amount(20_000), named: named("disk", 5), ..Default::default() };
        let before = have.clone();
        for (want, lacks) in [
            (Resources { cpu: Amount(20_001), ..Default::default() }, "num_cpus"),
            (Resources { gpu: Amount(1), ..Default::default() }, "num_gpus"),
            (Resources { memory: 1, ..Default::default() }, "memory"),
            (Resources { cpu: Amount(1), named: named("disk", 6), ..Default::default() }, "disk"),
            (Resources { named: named("tape", 1), ..Default::default() }, "tape"),
        ] {
            assert_eq!(want.lacking(&have).expect("lacks").0, lacks);
            assert!(!have.take(&want));
            assert_eq!(have, before);
        }
    }
}

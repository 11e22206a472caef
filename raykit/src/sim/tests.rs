use super::cluster::{Settings, finds, run};
use crate::proto::bugs::Bug;

/// I26: the same seed gives the same run.
#[test]
fn a_seed_gives_the_same_run_twice() {
    for seed in 0..3 {
        assert_eq!(run(seed, &Settings::default()), run(seed, &Settings::default()));
    }
}

#[test]
fn the_brain_holds_in_all_weathers() {
    for seed in 0..60 {
        let outcome = run(seed, &Settings::default());
        assert_eq!(outcome.failure, None, "seed {seed}");
    }
}

#[test]
fn planted_faults_are_found() {
    for bug in Bug::ALL {
        let found = finds(bug, 500);
        let (seed, failure) = found.unwrap_or_else(|| panic!("{bug:?} is not found"));
        println!("{bug:?}: seed {seed}: {failure}");
    }
}

//! `Plan`: the troubles of one run, drawn from its seed, and when each comes.

use super::model::mix;
use super::network::Weather;
use crate::base::moment::Moment;
use crate::base::rng::Rng;
use std::time::Duration;

/// A trouble. Nodes are named by dice, for which the cluster takes those that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A process is gone with all its state.
    Crash { who: usize, noticed: Noticed },
    /// N8, N13: a process stands still for a while.
    Pause { who: usize, time: Duration },
    /// P7: a link is lost with what is under way.
    Cut { a: usize, b: usize },
    /// A link is replaced by a new one, and nobody hears that the old one is gone.
    Replace { a: usize, b: usize },
    /// N4, N5, N6: nothing gets from one group of nodes to the other; or only in one direction.
    Part { groups: usize, time: Duration, one_way: bool },
    /// P8, P12: a road is slow.
    Slow { a: usize, b: usize, time: Duration },
    /// The head hears signs that a node is gone, which lives.
    Rumour { who: usize },
    /// A node comes in; `late`: and its process ends before it has said a word.
    Join { late: bool },
    /// N2: a node goes, after it has finished what it runs.
    Leave { who: usize },
}

/// How others hear of the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noticed {
    Surely,
    ByDoubt,
    ByLostLinks,
    Never,
}

/// What goes on in some worlds and not in others, by the number of the seed alone: a seed without
/// one of these has the same story as if there were none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    /// Nodes make streams, and read them.
    pub(super) streams: bool,
    /// Each node has an actor, and calls those of the others.
    pub(super) actors: bool,
    /// One of the nodes is somebody else's.
    pub(super) hostile: bool,
    /// Nodes that are told to go do so as soon as they have nothing that others wait for.
    pub(super) drains: bool,
}

impl Extras {
    pub(super) fn of(seed: u64) -> Extras {
        let in_one_of = |what: u64, count: u64| mix(seed, what).is_multiple_of(count);
        Extras {
            streams: in_one_of(1, 2),
            actors: in_one_of(2, 2),
            hostile: in_one_of(3, 4),
            drains: in_one_of(4, 2),
        }
    }
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: usize,
    pub(super) weather: Weather,
    pub(super) faults: Vec<(Moment, Fault)>,
    /// When the troubles end.
    pub(super) until: Moment,
    /// No trouble lasts so long that a living node may be taken for dead.
    pub(super) mild: bool,
    pub(super) submits: u32,
}

fn draw(rng: &mut Rng, mild: bool, hard: bool) -> Option<Fault> {
    let (a, b, who) = (rng.below(16), rng.below(16), rng.below(16));
    let longest = if mild { 3_000 } else { 14_000 };
    let time = Duration::from_millis(50 + rng.below(longest) as u64);
    let noticed = match rng.below(4) {
        0 => Noticed::Surely,
        1 => Noticed::ByDoubt,
        2 => Noticed::ByLostLinks,
        _ => Noticed::Never,
    };
    Some(match rng.below(12) {
        0 | 1 if hard => Fault::Crash { who, noticed },
        2 => Fault::Pause { who, time },
        3 | 4 => Fault::Cut { a, b },
        5 => Fault::Replace { a, b },
        6 => Fault::Part { groups: rng.below(256), time, one_way: rng.below(2) == 0 },
        7 => Fault::Slow { a, b, time },
        8 if !mild => Fault::Rumour { who },
        9 | 10 => Fault::Join { late: hard && rng.below(8) == 0 },
        11 if hard => Fault::Leave { who },
        _ => return None,
    })
}

impl Plan {
    pub(super) fn new(rng: &mut Rng) -> Plan {
        let mild = rng.below(2) == 0;
        let hard = rng.below(4) > 0;
        let lossy = rng.below(2) == 0;
        let mut most = |lossy_most: usize| if lossy { rng.below(lossy_most) } else { 0 };
        let (mut lost, twice, early) = (most(200), most(200), most(100));
        if rng.below(8) == 0 {
            lost = rng.below(3_000);
        }
        let weather = Weather {
            delay_us: 20 + rng.below(3_000),
            jitter_us: rng.below(3_000),
            lost,
            twice,
            early,
        };
        let seconds = 3 + rng.below(17);
        let count = rng.below(14);
        let mut faults = Vec::new();
        let mut at = Moment(0);
        for _ in 0..count {
            // Mild troubles come one by one.
            let pause = if mild { 3_500 } else { 0 } + rng.below(seconds * 200);
            at = at + Duration::from_millis(pause as u64);
            faults.extend(draw(rng, mild, hard).map(|fault| (at, fault)));
        }
        Plan {
            nodes: 2 + rng.below(4),
            weather,
            until: at + Duration::from_secs(if mild { 4 } else { 15 }),
            faults,
            mild,
            submits: 5 + rng.below(25) as u32,
        }
    }
}

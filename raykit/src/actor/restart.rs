//! How often an actor that crashed comes back: so many times within so long, as supervisors in
//! Erlang/OTP count ("maximum restart intensity"), and each time in a row after a longer pause.

use std::collections::VecDeque;
use std::time::Duration;

/// First pause before an actor starts again, and the longest.
const PAUSE: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// After so long without a crash the pauses begin anew.
const CALM: Duration = Duration::from_secs(10);

/// The restarts of one actor. Times are counted from any fixed moment.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    max: u32,
    /// Only those within it count; all do where there is none.
    window: Option<Duration>,
    times: VecDeque<Duration>,
    /// Crashes in a row.
    row: u32,
    last: Option<Duration>,
    /// Crashes after which it started again.
    crashes: u64,
    total: u64,
}

impl Restarts {
    pub(crate) fn new(max: u32, window: Option<Duration>) -> Restarts {
        Restarts { max, window, times: VecDeque::new(), row: 0, last: None, crashes: 0, total: 0 }
    }

    /// How often the actor has started again.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// So many from now on; what has been is counted already.
    pub(crate) fn limit(&mut self, max: u32, window: Option<Duration>) {
        (self.max, self.window) = (max, window);
    }

    /// It starts again for a reason other than its own crash.
    pub(crate) fn again(&mut self) {
        self.total += 1;
    }

    /// The actor crashed: after which pause it starts again, or `None` if it has done so too often.
    pub(crate) fn crashed(&mut self, now: Duration) -> Option<Duration> {
        if let Some(window) = self.window {
            while self.times.front().is_some_and(|time| now.saturating_sub(*time) > window) {
                self.times.pop_front();
            }
        }
        let counted = self.window.map_or(self.crashes, |_| self.times.len() as u64);
        if counted >= u64::from(self.max) {
            return None;
        }
        if self.window.is_some() {
            self.times.push_back(now);
        }
        let calm = self.last.is_none_or(|last| now.saturating_sub(last) > CALM);
        self.row = if calm { 0 } else { self.row.saturating_add(1) };
        self.last = Some(now);
        self.crashes += 1;
        self.total += 1;
        Some(PAUSE.saturating_mul(1 << self.row.min(16)).min(PAUSE_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn so_many_in_all_without_a_window() {
        let mut restarts = Restarts::new(2, None);
        assert!(restarts.crashed(ms(0)).is_some());
        assert!(restarts.crashed(ms(1_000_000)).is_some());
        assert_eq!(restarts.crashed(ms(2_000_000_000)), None);
        assert_eq!(restarts.total(), 2);
        assert_eq!(Restarts::new(0, None).crashed(ms(0)), None);
    }

    #[test]
    fn so_many_within_the_window() {
        let mut restarts = Restarts::new(2, Some(ms(100)));
        for (at, allowed) in
            [(0, true), (50, true), (90, false), (101, true), (140, false), (500, true)]
        {
            assert_eq!(restarts.crashed(ms(at)).is_some(), allowed, "at {at} ms");
        }
    }

    #[test]
    fn pauses_grow_in_a_row_and_begin_anew_after_calm() {
        let mut restarts = Restarts::new(u32::MAX, None);
        let pauses: Vec<_> = (0..12).filter_map(|at| restarts.crashed(ms(at))).collect();
        assert_eq!(pauses[..4], [ms(2), ms(4), ms(8), ms(16)]);
        assert_eq!(pauses[11], PAUSE_MAX);
        assert_eq!(restarts.crashed(ms(60_000)), Some(PAUSE));
    }
}

//! A line that shows how far many tasks are.

use super::wait::IntoRefs;
use crate::base::clock;
use crate::node::current;
use crate::node::fetch::{self, Goal};
use crate::node::graph::Wait;
use crate::object::error::Result;
use crate::object::raw::RawRef;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Waits for all of `refs` and shows meanwhile, on standard error, how many are ready, how fast
/// they come and how long the rest will take: a line that is redrawn on a terminal, else one every
/// few seconds. Errors count as ready; read them from the references.
///
/// # Errors
///
/// Those of the wait itself.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let refs = square::map(0..1000);
/// raykit::progress(&refs)?;
/// let squares = raykit::get(&refs)?; // without waiting
/// # assert_eq!(squares[999], 998_001);
/// # Ok(())
/// # }
/// ```
pub fn progress<T>(refs: impl IntoRefs<T>) -> Result<()> {
    let refs = refs.into_refs();
    let raw: Vec<&RawRef> = refs.iter().map(|reference| &reference.0).collect();
    // The waits below are timed; together they are not.
    let _registered = match current::node() {
        Ok(node) => node.register_wait(missing(&raw), Wait::All)?,
        Err(_) => None,
    };
    let terminal = std::io::stderr().is_terminal();
    let step = if terminal { Duration::from_millis(100) } else { Duration::from_secs(5) };
    let begun = clock::now();
    let mut next = begun + step;
    let mut shown = false;
    loop {
        match fetch::wait(&raw, Goal::Some(raw.len()), Some(next)) {
            Ok(()) => break,
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error),
        }
        show(terminal, &line(ready(&raw), raw.len(), clock::since(begun)));
        shown = true;
        next = clock::now() + step;
    }
    if terminal || shown {
        show(terminal, &line(raw.len(), raw.len(), clock::since(begun)));
        if terminal {
            eprintln!();
        }
    }
    Ok(())
}

fn ready(refs: &[&RawRef]) -> usize {
    refs.iter().filter(|reference| reference.is_ready()).count()
}

fn missing(refs: &[&RawRef]) -> Vec<RawRef> {
    let open = |reference: &&&RawRef| !reference.is_ready();
    refs.iter().filter(open).map(|reference| (*reference).clone()).collect()
}

fn show(terminal: bool, line: &str) {
    let mut out = std::io::stderr().lock();
    // That nobody reads the line is no reason to fail.
    let _ = match terminal {
        true => write!(out, "\r\x1b[K{line}").and_then(|()| out.flush()),
        false => writeln!(out, "{line}"),
    };
}

fn line(ready: usize, all: usize, spent: Duration) -> String {
    let share = if all == 0 { 1.0 } else { ready as f64 / all as f64 };
    let seconds = spent.as_secs_f64();
    let rate = if seconds > 0.0 { ready as f64 / seconds } else { 0.0 };
    let left = match (ready, rate > 0.0) {
        (ready, true) if ready < all => format!(", {:.0} s left", (all - ready) as f64 / rate),
        _ => String::new(),
    };
    format!("{ready}/{all} tasks ({:.0} %), {rate:.0}/s, {seconds:.1} s{left}", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_share_rate_and_rest() {
        let second = Duration::from_secs(1);
        for (ready, all, text) in [
            (0, 10, "0/10 tasks (0 %), 0/s, 1.0 s"),
            (5, 10, "5/10 tasks (50 %), 5/s, 1.0 s, 1 s left"),
            (10, 10, "10/10 tasks (100 %), 10/s, 1.0 s"),
            (0, 0, "0/0 tasks (100 %), 0/s, 1.0 s"),
        ] {
            assert_eq!(line(ready, all, second), text);
        }
    }
}

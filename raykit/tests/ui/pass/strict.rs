//! No lint fires inside what the attribute writes.
#![forbid(unsafe_code, nonstandard_style)]
#![deny(warnings, missing_docs, unreachable_pub, missing_debug_implementations)]
#![deny(rust_2018_idioms, unused, single_use_lifetimes, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic)]

use raykit::prelude::*;

/// Twice.
#[remote(num_cpus = 2, memory = 1 << 20, resources("disk" = 1, "net" = 0.5))]
#[must_use]
pub fn double(x: i64) -> i64 {
    2 * x
}

/// Nothing to take and nothing to give.
#[remote]
pub fn idle() {}

/// One of each kind of parameter.
#[remote(name = "all kinds", timeout = std::time::Duration::from_secs(10), priority = -1)]
#[must_use]
pub fn kinds(
    plain: i64,
    text: &str,
    slice: &[f64],
    mut own: Vec<u8>,
    borrowed: &(i64, i64),
    (left, right): (i64, i64),
    _: bool,
) -> usize {
    own.push(1);
    text.len() + slice.len() + own.len() + usize::from(plain + left + right > borrowed.0)
}

/// As many as clippy lets pass.
#[remote]
#[expect(clippy::too_many_arguments, reason = "to see what becomes of the attribute's own")]
pub fn crowd(_a: u8, _b: u8, _c: u8, _d: u8, _e: u8, _f: u8, _g: u8, _h: u8) {}

/// Can fail.
///
/// # Errors
///
/// When it cannot be read.
#[remote(max_retries = 5, retry_on = all)]
pub fn size(path: &str) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}

/// Waits.
///
/// # Errors
///
/// Never.
#[remote]
pub async fn later(text: &str, n: usize) -> Result<String, String> {
    std::future::ready(()).await;
    Ok(text.repeat(n))
}

/// Gives two.
#[remote(num_returns = 2, strategy = Spread)]
#[must_use]
pub fn split(text: String) -> (String, usize) {
    let size = text.len();
    (text, size)
}

mod within {
    use raykit::prelude::*;

    #[remote(retry_on = is_fine)]
    pub(crate) fn seen(_x: i64) {}

    #[remote]
    pub(super) fn near() {}

    #[remote]
    fn private() -> bool {
        true
    }

    fn is_fine(_: &raykit::Error) -> bool {
        true
    }

    #[remote(backpressure = 8, backpressure_bytes = 64 << 20)]
    pub(crate) fn streams(text: &str) -> impl Iterator<Item = std::io::Result<String>> {
        text.lines().map(|line| Ok(line.to_owned()))
    }

    #[remote]
    pub(crate) fn opens(n: usize) -> Result<impl DoubleEndedIterator<Item = usize>, String> {
        Ok(0..n)
    }

    pub(crate) fn go() -> ObjectRef<bool> {
        near();
        private::remote()
    }
}

fn main() {
    if std::env::args().count() > 100 {
        let _: ObjectRef<i64> = double::remote(3);
        let _: Vec<ObjectRef<i64>> = double::map(0..3);
        let _: ObjectRef<i64> =
            double::options().num_cpus(0.5).name("two").remote(&double::remote(4));
        let _: ObjectRef<()> = idle::remote();
        let _: ObjectRef<usize> = kinds::remote(1, "b", &[1.0], vec![], (1, 2), (1, 2), true);
        let _: ObjectRef<u64> = size::remote("/");
        let _: Vec<ObjectRef<String>> = later::map([("a", 1), ("b", 2)]);
        let _: (ObjectRef<String>, ObjectRef<usize>) = split::remote("a");
        let _: ObjectRef<()> = within::seen::remote(1);
        let _: ObjectStream<String> = within::streams::remote("a");
        let _: ObjectStream<usize> =
            within::opens::options().backpressure(1).backpressure_bytes(1).remote(2);
        let _ = within::go();
    }
}

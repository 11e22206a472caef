//! Attributes of the function hold for what stands beside it.
#![deny(warnings)]

use raykit::remote;

#[remote]
#[cfg(all(unix, windows))]
fn absent(x: NoSuchType) {}

#[remote]
#[cfg(any(unix, windows))]
fn present() {}

#[cfg(all(unix, windows))]
#[remote]
fn absent_before(x: NoSuchType) {}

#[remote]
#[cfg_attr(unix, inline)]
#[cfg_attr(windows, no_such_attribute)]
#[doc = "Documented."]
fn conditional() {}

#[remote]
#[inline(never)]
#[track_caller]
#[allow(clippy::too_many_arguments, reason = "they are few in truth")]
fn tuned(_a: u8, _b: u8, _c: u8, _d: u8, _e: u8, _f: u8, _g: u8, _h: u8) {}

#[remote]
#[deprecated = "old"]
fn old() {}

#[deprecated = "older"]
type Older = i64;

#[expect(deprecated, reason = "for as long as callers have it")]
#[remote]
fn compatible(x: Older) -> Older {
    x
}

const HALF: f64 = 0.5;
const LIMIT: std::time::Duration = std::time::Duration::from_millis(1500);

#[remote(num_cpus = HALF, num_gpus = 1, memory = 2 * 1024, max_retries = u32::MAX, timeout = LIMIT,)]
#[expect(clippy::unused_unit, reason = "written out")]
const fn computed() -> () {}

fn main() {
    present();
    conditional();
    tuned(1, 2, 3, 4, 5, 6, 7, 8);
    computed();
    compatible(1);
    assert_eq!(raykit::functions().len(), 6);
}

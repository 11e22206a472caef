#![allow(unused_variables)]

use raykit::remote;

#[remote]
fn borrows(x: &str) -> &str {
    x
}

#[remote]
fn borrows_inside(x: &[i64]) -> Result<Option<&i64>, String> {
    Ok(x.first())
}

#[remote]
fn streams() -> Option<impl Iterator<Item = i64>> {
    Some(0..3)
}

#[remote]
fn nameless() -> impl Iterator {
    0..3
}

#[remote]
fn lends(x: &[i64]) -> impl Iterator<Item = &i64> {
    x.iter()
}

#[remote(num_returns = 2)]
fn both() -> impl Iterator<Item = (i64, i64)> {
    std::iter::once((1, 2))
}

#[remote(backpressure = 2, backpressure_bytes = 2)]
fn no_stream() -> i64 {
    3
}

#[remote(backpressure = 0)]
fn no_room() -> impl Iterator<Item = i64> {
    0..3
}

#[remote(backpressure_bytes = 0)]
fn no_bytes() -> impl Iterator<Item = i64> {
    0..3
}

#[remote(backpressure_bytes = "64 MiB")]
fn bytes_in_words() -> impl Iterator<Item = i64> {
    0..3
}

#[remote]
fn hides() -> impl Clone {
    3
}

#[remote]
fn boxes() -> Box<dyn std::any::Any> {
    Box::new(3)
}

#[remote]
fn never() -> ! {
    loop {}
}

#[remote(num_returns = 3)]
fn two() -> (i64, i64) {
    (1, 2)
}

#[remote(num_returns = 2)]
fn three() -> Result<(i64, i64, i64), String> {
    Ok((1, 2, 3))
}

fn main() {
    // Callers see no second error.
    borrows::remote("a");
    streams::remote();
}

#![allow(unused_variables)]

use raykit::remote;

#[remote]
fn text(text: &str) {}

#[remote]
fn numbers(numbers: &[f64]) {}

fn main() {
    let _ = text::remote("a".into());
    let _ = numbers::remote((0..3).map(f64::from).collect());
}

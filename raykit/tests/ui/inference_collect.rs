#![allow(unused_variables)]

use raykit::remote;

#[remote]
fn numbers(numbers: &[f64]) {}

fn main() {
    let _ = numbers::remote((0..3).map(f64::from).collect());
}

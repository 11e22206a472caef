#![allow(unused_variables)]

use raykit::remote;
use std::cell::Cell;

struct Plain;

#[remote]
fn takes(x: Plain) {}

#[remote]
fn borrows(x: &Plain) {}

#[remote]
fn slices(x: &[Plain]) {}

#[remote]
fn gives() -> Plain {
    Plain
}

#[remote]
fn changes(x: Cell<i64>) {}

#[remote]
fn streams() -> impl Iterator<Item = Plain> {
    std::iter::empty()
}

#[remote]
fn streams_into() -> impl Iterator<Item = Result<i64, i64>> {
    std::iter::empty()
}

fn main() {}

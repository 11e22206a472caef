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

fn main() {}

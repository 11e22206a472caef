use raykit::prelude::*;

#[derive(Clone)]
struct Foreign;

#[object]
struct Holder {
    fine: u8,
    foreign: Vec<Foreign>,
}

fn main() {}

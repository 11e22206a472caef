use raykit::remote;

#[remote]
mod module {}

#[remote]
const N: i64 = 3;

fn main() {}

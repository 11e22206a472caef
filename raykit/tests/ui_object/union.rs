use raykit::prelude::*;

#[object]
union Bits {
    number: u32,
    bytes: [u8; 4],
}

#[object]
fn function() {}

#[object]
enum Never {}

#[object]
enum Code {
    Ok = 200,
    Lost = -1,
}

fn main() {}

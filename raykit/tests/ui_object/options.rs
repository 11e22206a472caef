use raykit::prelude::*;

#[object(shallow)]
struct Wrong;

#[object]
struct WrongField {
    #[object(deep)]
    field: u8,
}

fn main() {}

use raykit::prelude::*;

#[object]
struct Line<'a> {
    text: &'a str,
}

#[object]
struct Fixed {
    text: &'static str,
    call: fn(u8) -> u8,
    any: Box<dyn Send>,
}

fn main() {}

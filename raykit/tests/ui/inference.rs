#![allow(unused_variables)]

use raykit::remote;

#[remote]
fn text(text: &str) {}

fn main() {
    let _ = text::remote("a".into());
}

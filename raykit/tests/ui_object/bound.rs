use raykit::prelude::*;

struct Foreign;

fn store<T: Object>(_: T) {}

fn main() {
    store(1_u8);
    store(Foreign);
    store(std::sync::Mutex::new(1_u8));
}

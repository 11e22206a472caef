use raykit::remote;

#[remote]
struct Counter {
    n: i64,
}

#[remote]
impl Counter {
    fn add(&mut self, by: i64) {
        self.n += by;
    }
}

#[remote]
mod module {}

#[remote]
const N: i64 = 3;

trait Trait {}

#[remote]
impl Trait for Counter {}

fn main() {}

use raykit::remote;
use std::rc::Rc;

#[remote(pinned)]
struct Awaits {
    n: Rc<i64>,
}

#[remote]
impl Awaits {
    pub fn new() -> Self {
        Awaits { n: Rc::new(1) }
    }
    pub async fn value(&self) -> i64 {
        *self.n
    }
}

#[remote(pinned)]
struct Made;

#[remote]
impl Made {
    pub async fn new() -> Self {
        Made
    }
}

#[remote(pinned, checkpoint_every = 1)]
struct Kept(i64);

#[remote(pinned = true)]
struct Said(i64);

#[remote(pined)]
struct Misspelled(i64);

#[remote(pinned)]
fn function() {}

fn main() {}

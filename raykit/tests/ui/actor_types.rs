#![allow(unused_variables)]

use raykit::{ObjectRef, remote};

struct Plain;

#[remote]
struct Counter;

#[remote]
impl Counter {
    pub fn new(plain: Plain) -> Self {
        Counter
    }
    pub fn takes(&self, x: Plain) {}
    pub fn borrows(&mut self, x: &[Plain]) {}
    pub fn gives(&self) -> Plain {
        Plain
    }
    pub fn own(&self, other: Self) {}
    #[remote(num_returns = 2)]
    pub fn single(&self) -> i64 {
        1
    }
    pub fn not_an_error(&self) -> Result<i64, Plain> {
        Ok(1)
    }
    pub fn fine(&self, a: i64, b: &str) -> i64 {
        a
    }
}

fn calls(counter: &CounterHandle) {
    let _ = counter.fine("one", 2);
    let _ = counter.fine(1);
    let wrong: ObjectRef<String> = counter.fine(1, "a");
    let _ = counter.options().fine(1, 2);
    let _ = counter.absent();
}

fn main() {}

#![allow(unused_variables)]

use raykit::remote;

#[remote]
struct Stack<T> {
    values: Vec<T>,
}

#[remote]
impl<T> Stack<T> {
    pub fn push(&mut self, value: T) {
        self.values.push(value);
    }
}

#[remote]
struct Borrowing<'a>(&'a str);

#[remote]
impl Borrowing<'_> {
    pub fn new() -> Self {
        Borrowing("")
    }
}

#[remote]
impl Stack<i64> {
    pub fn pop(&mut self) -> Option<i64> {
        self.values.pop()
    }
}

#[remote]
impl dyn Plainly {
    pub fn provided(&self) {}
}
trait Plainly {}

#[remote]
enum State {
    On,
}

#[remote]
union Both {
    a: i64,
    b: f64,
}

#[remote]
trait Trait {
    type Assoc;
}

struct Plain;

#[remote]
impl Trait for Plain {
    type Assoc = ();
}

fn main() {}

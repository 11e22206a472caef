use raykit::remote;
use std::cell::Cell;
use std::rc::Rc;

#[remote]
struct Unsent {
    n: Rc<i64>,
}

#[remote]
impl Unsent {
    pub fn new() -> Self {
        Unsent { n: Rc::new(1) }
    }
    pub fn value(&mut self) -> i64 {
        *self.n
    }
    pub async fn later(&mut self) -> i64 {
        *self.n
    }
}

#[remote]
struct Unshared {
    n: Cell<i64>,
}

#[remote]
impl Unshared {
    pub fn new() -> Self {
        Unshared { n: Cell::new(1) }
    }
    pub fn add(&mut self) {
        self.n.set(2);
    }
    pub fn value(&self) -> i64 {
        self.n.get()
    }
    pub fn again(&self) -> i64 {
        self.n.get()
    }
}

#[remote]
struct Neither(Rc<i64>);

#[remote]
impl Neither {
    pub fn new() -> Self {
        Neither(Rc::new(1))
    }
    pub fn value(&self) -> i64 {
        *self.0
    }
}

#[remote]
struct Later(Cell<i64>);

#[remote]
impl Later {
    pub async fn value(&self) -> i64 {
        std::future::ready(()).await;
        self.0.get()
    }
}

#[remote]
struct Holds;

#[remote]
impl Holds {
    pub async fn across(&self) -> i64 {
        let shared = Rc::new(1);
        std::future::ready(()).await;
        *shared
    }
}

fn main() {}

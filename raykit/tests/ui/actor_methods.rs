#![allow(unused_variables)]

use raykit::remote;

#[remote]
struct Counter {
    n: i64,
}

#[remote]
impl Counter {
    pub fn new(start: i64) -> Self {
        Counter { n: start }
    }

    pub fn by_value(self) -> i64 {
        self.n
    }
    pub fn by_mut_value(mut self) -> i64 {
        self.n += 1;
        self.n
    }
    pub fn boxed(self: Box<Self>) {}
    pub fn shared(self: &std::sync::Arc<Self>) {}
    pub fn for_ever(&'static self) {}

    pub unsafe fn promises(&self) {}
    pub extern "C" fn foreign(&self) {}
    pub fn generic<T: Clone>(&self, x: T) -> T {
        x
    }
    pub fn lifetime<'a>(&'a self, x: &'a str) {}

    pub fn changes(&self, x: &mut Vec<i64>) {}
    pub fn inside(&self, x: Option<&str>) {}
    pub fn some_type(&self, x: impl Clone) {}
    pub fn conditional(&self, #[cfg(unix)] x: i64) {}

    pub fn borrows(&self) -> &i64 {
        &self.n
    }
    pub fn streams(&self) -> Option<impl Iterator<Item = i64>> {
        Some(0..self.n)
    }
    pub fn never(&self) -> ! {
        panic!()
    }
    #[remote(num_returns = 3)]
    pub fn two(&self) -> (i64, i64) {
        (1, 2)
    }
}

fn main() {
    // Callers see no second error.
    let counter = Counter::remote(3);
    counter.by_value();
    counter.generic(3);
    counter.options().changes(vec![3]);
    counter.streams();
}

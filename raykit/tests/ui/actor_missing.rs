//! The block has the attribute, the struct has not.

pub struct Missing;

#[raykit::remote]
impl Missing {
    pub fn new() -> Self {
        Missing
    }
    pub fn call(&self) {}
    pub fn change(&mut self) {}
}

fn main() {}

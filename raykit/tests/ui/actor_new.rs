use raykit::remote;

#[remote]
struct Receives;

#[remote]
impl Receives {
    pub fn new(&self) -> Self {
        Receives
    }
}

#[remote]
struct Nothing;

#[remote]
impl Nothing {
    pub fn new(_x: i64) {}
}

#[remote]
struct Other;

#[remote]
impl Other {
    pub fn new() -> Option<Self> {
        None
    }
}

#[remote]
struct Wrapped;

#[remote]
impl Wrapped {
    pub fn new() -> Result<Box<Self>, String> {
        Ok(Box::new(Wrapped))
    }
}

#[remote]
struct Generic;

#[remote]
impl Generic {
    pub fn new<T>(_x: T) -> Self {
        Generic
    }
}

fn main() {
    // Callers see no second error.
    let _: ReceivesHandle = Receives::remote();
    Nothing::remote(3);
    Other::options().remote();
    Generic::remote("a");
}

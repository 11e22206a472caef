#![allow(unused_variables)]

use raykit::remote;

/// What cannot run at an actor's end.
#[remote]
struct Public;

#[remote]
impl Public {
    pub fn new() -> Self {
        Public
    }
    #[remote(on_stop)]
    pub fn flush(&mut self) {}
}

#[remote]
struct Crate;

#[remote]
impl Crate {
    pub fn new() -> Self {
        Crate
    }
    #[remote(on_stop)]
    pub(crate) fn flush(&mut self) {}
}

#[remote]
struct Shared;

#[remote]
impl Shared {
    pub fn new() -> Self {
        Shared
    }
    #[remote(on_stop)]
    fn flush(&self) {}
}

#[remote]
struct Owned;

#[remote]
impl Owned {
    pub fn new() -> Self {
        Owned
    }
    #[remote(on_stop)]
    fn flush(self) {}
}

#[remote]
struct Free;

#[remote]
impl Free {
    pub fn new() -> Self {
        Free
    }
    #[remote(on_stop)]
    fn flush() {}
}

#[remote]
struct Argument;

#[remote]
impl Argument {
    pub fn new() -> Self {
        Argument
    }
    #[remote(on_stop)]
    fn flush(&mut self, to: String, twice: bool) {}
}

#[remote]
struct FreeArgument;

#[remote]
impl FreeArgument {
    pub fn new() -> Self {
        FreeArgument
    }
    #[remote(on_stop)]
    fn flush(to: String) {}
}

#[remote]
struct Value;

#[remote]
impl Value {
    pub fn new() -> Self {
        Value
    }
    #[remote(on_stop)]
    fn flush(&mut self) -> i64 {
        1
    }
}

#[remote]
struct ValueInside;

#[remote]
impl ValueInside {
    pub fn new() -> Self {
        ValueInside
    }
    #[remote(on_stop)]
    fn flush(&mut self) -> Result<i64, String> {
        Ok(1)
    }
}

#[remote]
struct Streams;

#[remote]
impl Streams {
    pub fn new() -> Self {
        Streams
    }
    #[remote(on_stop)]
    fn flush(&mut self) -> impl Iterator<Item = i64> {
        0..3
    }
}

#[remote]
struct Unfit;

#[remote]
impl Unfit {
    pub fn new() -> Self {
        Unfit
    }
    // Said once: that there is an argument and a result, not what is wrong with them too.
    #[remote(on_stop)]
    fn flush(&mut self, to: &mut impl Clone) -> &i64 {
        &1
    }
}

#[remote]
struct ForEver;

#[remote]
impl ForEver {
    pub fn new() -> Self {
        ForEver
    }
    #[remote(on_stop)]
    unsafe fn flush(&'static mut self) {}
}

#[remote]
struct Generic;

#[remote]
impl Generic {
    pub fn new() -> Self {
        Generic
    }
    #[remote(on_stop)]
    fn flush<T>(&mut self) {}
}

/// Options that it cannot have.
#[remote]
struct Retries;

#[remote]
impl Retries {
    pub fn new() -> Self {
        Retries
    }
    #[remote(on_stop, max_retries = 3)]
    fn flush(&mut self) {}
}

#[remote]
struct Grouped;

#[remote]
impl Grouped {
    pub fn new() -> Self {
        Grouped
    }
    #[remote(name = "last", concurrency_group = "io", on_stop)]
    fn flush(&mut self) {}
}

#[remote]
struct Brake;

#[remote]
impl Brake {
    pub fn new() -> Self {
        Brake
    }
    #[remote(on_stop, backpressure = 3)]
    fn flush(&mut self) {}
}

#[remote]
struct Several;

#[remote]
impl Several {
    pub fn new() -> Self {
        Several
    }
    #[remote(on_stop, num_returns = 2, retry_on = all)]
    fn flush(&mut self) {}
}

#[remote]
struct HasValue;

#[remote]
impl HasValue {
    pub fn new() -> Self {
        HasValue
    }
    #[remote(on_stop = true)]
    fn flush(&mut self) {}
}

#[remote]
struct HasList;

#[remote]
impl HasList {
    pub fn new() -> Self {
        HasList
    }
    #[remote(on_stop(first))]
    fn flush(&mut self) {}
}

#[remote]
struct Unknown;

#[remote]
impl Unknown {
    pub fn new() -> Self {
        Unknown
    }
    #[remote(name = "last", on_stopp)]
    fn flush(&mut self) {}
}

/// Where it cannot stand.
#[remote]
struct Two;

#[remote]
impl Two {
    pub fn new() -> Self {
        Two
    }
    #[remote(on_stop)]
    fn flush(&mut self) {}
    #[remote(on_stop)]
    async fn close(&mut self) {}
    #[remote(on_stop)]
    fn forget(&mut self) {}
}

#[remote]
struct Twice;

#[remote]
impl Twice {
    pub fn new() -> Self {
        Twice
    }
    #[remote(on_stop)]
    #[remote(name = "last")]
    fn flush(&mut self) {}
}

#[remote]
struct Apart;

#[remote]
impl Apart {
    pub fn new() -> Self {
        Apart
    }
}

#[remote]
impl Apart {
    pub fn works(&self) {}
    #[remote(on_stop)]
    fn flush(&mut self) {}
}

#[remote]
struct Constructor;

#[remote]
impl Constructor {
    #[remote(on_stop)]
    pub fn new() -> Self {
        Constructor
    }
}

#[remote(on_stop)]
struct OnStruct;

#[remote(on_stop)]
fn on_function() {}

#[remote]
struct OnBlock;

#[remote(on_stop)]
impl OnBlock {
    pub fn new() -> Self {
        OnBlock
    }
}

fn main() {
    // Callers see no second error.
    let actor = Public::remote();
    Shared::remote().stop();
    Argument::options().name("a").remote();
    Value::remote();
    Retries::remote();
    Two::remote();
    Apart::remote().works();
    OnStruct;
    OnBlock::remote();
    on_function();
}

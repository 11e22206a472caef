use raykit::remote;

#[remote]
struct Counter;

#[remote]
impl Counter {
    pub fn new() -> Self {
        Counter
    }
    pub fn kill(&self) {}
    pub fn stop(&self) {}
    pub fn ready(&self) {}
    pub fn downgrade(&self) {}
    pub fn id(&self) {}
    pub fn is_alive(&self) {}
    pub fn name(&self) {}
    pub fn timeout(&self) {}
    pub fn max_retries(&self) {}
    pub fn retry_on(&self) {}
    pub fn unordered(&self) {}
    pub fn when_full(&self) {}
    pub fn forget(&self) {}
}

#[remote]
struct Free;

#[remote]
impl Free {
    // What stays local may have these names.
    fn kill(&self) {}
    pub fn stop() {}
    // But not those of the struct's own functions.
    fn remote() {}
    pub fn options(&self) {}
}

fn main() {
    Counter::remote().kill();
    Free.kill();
    Free::stop();
}

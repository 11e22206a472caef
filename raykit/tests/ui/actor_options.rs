use raykit::remote;

#[remote(max_restart = 2)]
struct UnknownNear;

#[remote(colour = "red")]
struct UnknownFar;

#[remote(timeout = TEN)]
struct OfMethod;

#[remote(concurrency_group = "io")]
struct OneGroup;

#[remote(strategy = Nearby)]
struct OfFunction;

#[remote(max_restarts = -1)]
struct Negative;

#[remote(max_concurrency = 0)]
struct NoConcurrency;

#[remote(restart_window = 10)]
struct BareWindow;

#[remote(lifetime = forever)]
struct Forever;

#[remote(out_of_order = "yes")]
struct Words;

#[remote(concurrency_groups = 2)]
struct BareGroups;

#[remote(concurrency_groups("io" = 0))]
struct EmptyGroup;

#[remote(concurrency_groups("io" = 1, "io" = 2))]
struct GroupTwice;

#[remote(max_restarts = 1, max_restarts = 2)]
struct Twice;

#[remote(3)]
struct NoKey;

#[remote(max_restarts = 1)]
fn of_actor() {}

#[remote(concurrency_group = "io")]
fn of_method() {}

#[remote]
struct Counter;

#[remote(max_restarts = 1, timeout = TEN, name = "a", strategy = Spread, colour = 3)]
impl Counter {
    #[remote(num_cpus = 2)]
    pub fn costs(&self) {}

    #[remote(strategy = Spread)]
    pub fn spread(&self) {}

    #[remote(crate = raykit)]
    pub fn renamed(&self) {}

    #[remote(time_out = TEN)]
    pub fn near(&self) {}

    #[remote(colour = 3)]
    pub fn far(&self) {}

    #[remote(concurrency_group = 3)]
    pub fn group(&self) {}

    #[remote(num_returns = 9)]
    pub fn many(&self) {}

    #[remote(max_retries = 1)]
    #[remote(name = "a")]
    pub fn twice(&self) {}

    #[remote(max_retries = 1)]
    fn local(&self) {}

    #[remote]
    pub fn free() {}

    #[remote(max_retries = 1)]
    pub fn new() -> Self {
        Counter
    }
}

const TEN: std::time::Duration = std::time::Duration::from_secs(10);

fn main() {
    // Callers see no second error.
    let counter = Counter::remote();
    counter.costs();
    counter.options().far();
    UnknownNear::options().name("a");
}

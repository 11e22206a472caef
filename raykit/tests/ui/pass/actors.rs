//! Actors in every form; no lint fires inside what the attributes write.
#![forbid(unsafe_code, nonstandard_style)]
#![deny(warnings, missing_docs, unreachable_pub, missing_debug_implementations)]
#![deny(rust_2018_idioms, unused, single_use_lifetimes, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic)]

use raykit::prelude::*;

/// Counts.
#[remote(max_restarts = 3, restart_window = secs(60), num_cpus = 0.5, lifetime = detached)]
#[derive(Clone, Debug)]
pub struct Counter {
    n: i64,
}

/// What it can do.
#[remote]
impl Counter {
    /// The first number.
    const FIRST: i64 = 1;

    /// From a number on.
    #[must_use]
    pub fn new(start: i64) -> Self {
        Counter { n: start }
    }

    /// Adds.
    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.helper();
        self.n
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.n
    }

    /// Tells somebody.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub async fn report(&self, to: &str) -> anyhow::Result<()> {
        std::future::ready(()).await;
        anyhow::ensure!(!to.is_empty(), "nobody listens");
        Ok(())
    }

    /// Two at a time.
    #[remote(num_returns = 2, max_retries = 1, name = "both of them")]
    #[must_use]
    pub fn both(&self) -> (i64, String) {
        (self.n, self.n.to_string())
    }

    /// Waits, then adds.
    #[raykit::remote(timeout = secs(1), retry_on = all, concurrency_group = "io")]
    pub async fn later(&mut self, by: i64, _: &[f64]) -> i64 {
        std::future::ready(()).await;
        self.n += by;
        self.n
    }

    /// One of each kind of parameter.
    pub fn kinds(
        &self,
        text: &str,
        slice: &[f64],
        mut own: Vec<u8>,
        borrowed: &(i64, i64),
        (left, right): (i64, i64),
        handle: &CounterHandle,
        _: bool,
    ) -> usize {
        own.push(1);
        let _ = handle;
        text.len() + slice.len() + own.len() + usize::from(left + right > borrowed.0)
    }

    fn helper(&mut self) {
        self.n = Self::free(self.n);
    }

    /// Says how far it came.
    #[remote(on_stop, name = "the last word", timeout = secs(5))]
    fn last_word(&mut self) -> anyhow::Result<()> {
        self.helper();
        anyhow::ensure!(self.n > 0, "it came nowhere");
        Ok(())
    }

    /// Stays here.
    #[must_use]
    pub fn free(x: i64) -> i64 {
        x.max(Self::FIRST)
    }
}

mod within {
    use super::seconds;
    use raykit::prelude::*;

    /// In another module than the block below.
    #[remote(concurrency_groups("io" = 2, "compute" = 1), out_of_order, max_pending = 10)]
    pub(crate) struct Store(Vec<String>);

    #[remote(name = "the one", namespace = "here", max_concurrency = 8, priority = -1)]
    #[derive(Debug)]
    struct Unit;

    #[remote]
    impl Unit {
        pub(crate) async fn new() -> Result<Unit, std::io::Error> {
            std::future::ready(()).await;
            Ok(Unit)
        }
        pub(super) fn idle(&self) {
            let _ = self;
        }
        #[remote(on_stop)]
        async fn rest(&mut self) -> Result<(), std::io::Error> {
            let _ = self;
            std::future::ready(Ok(())).await
        }
    }

    impl Store {
        pub(crate) fn empty() -> Self {
            Store(Vec::new())
        }
        pub(crate) fn push(&mut self, text: String) {
            self.0.push(text);
        }
    }

    pub(crate) fn go() -> ObjectRef<()> {
        let _ = seconds();
        let unit: UnitHandle = Unit::remote();
        let _ = Unit::options().num_cpus(1.0);
        unit.idle()
    }
}

mod under_conditions {
    use raykit::remote;

    #[remote]
    struct Conditional;

    #[remote]
    impl Conditional {
        pub(crate) fn new() -> Self {
            Conditional
        }
        #[remote(on_stop)]
        #[cfg(any(unix, windows))]
        fn there(&mut self) {
            let _ = self;
        }
    }

    pub(crate) fn go() -> bool {
        Conditional::remote().stop()
    }
}

mod elsewhere {
    use raykit::remote;

    #[remote]
    impl super::within::Store {
        pub(crate) fn new() -> anyhow::Result<Self> {
            Ok(Self::empty())
        }
        #[cfg(any(unix, windows))]
        pub(crate) fn put(&mut self, text: String) {
            self.push(text);
        }
        #[cfg(all(unix, windows))]
        pub(crate) fn absent(&self, x: NoSuchType) {}
        #[cfg(all(unix, windows))]
        #[remote(on_stop)]
        fn never(&mut self) -> Result<(), NoSuchType> {}
    }
}

const fn seconds() -> std::time::Duration {
    secs(60)
}

fn main() {
    if std::env::args().count() > 100 {
        let counter: CounterHandle = Counter::remote(1);
        let _: (ObjectRef<i64>, ObjectRef<i64>) = (counter.add(1), counter.value());
        let _: ObjectRef<()> = counter.options().timeout(seconds()).report("me");
        let _: CounterHandle = Counter::options().name("other").remote(counter.later(1, [0.5]));
        let _: ObjectRef<()> = within::go();
        let _: bool = under_conditions::go();
    }
}

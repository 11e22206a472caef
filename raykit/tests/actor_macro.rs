//! What `#[remote]` writes beside an actor's struct and its `impl` block.

use raykit::__private::Body;
use raykit::Function;
use raykit::prelude::*;

#[remote(max_restarts = 3, restart_window = secs(9), memory = 1 << 10, lifetime = detached)]
pub(crate) struct Counter {
    n: i64,
}

#[remote]
impl Counter {
    pub(crate) fn new(start: i64) -> Self {
        Counter { n: start }
    }
    pub(crate) fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }
    pub(crate) fn value(&self) -> i64 {
        self.helper();
        self.n + Self::free(0)
    }
    pub(crate) async fn report(&self, to: &str) -> anyhow::Result<()> {
        anyhow::ensure!(!to.is_empty(), "nobody to tell");
        Ok(())
    }
    pub(crate) async fn wait(&mut self, by: i64) -> i64 {
        std::future::ready(()).await;
        self.n += by;
        self.n
    }
    #[remote(num_returns = 2, max_retries = 1, name = "two", concurrency_group = "io")]
    pub(crate) fn both(&self) -> (i64, String) {
        (self.n, self.n.to_string())
    }
    #[expect(clippy::needless_arbitrary_self_type, reason = "one of the forms")]
    pub(crate) fn r#type(self: &Self, (a, b): (i64, i64), r#fn: &[i64]) -> i64 {
        self.n + a + b + r#fn.len() as i64
    }
    pub(crate) fn merge(&mut self, others: &[CounterHandle]) -> Result<Vec<CounterHandle>, String> {
        Ok(others.to_vec())
    }
    fn helper(&self) {}
    pub(crate) fn free(x: i64) -> i64 {
        x
    }
}

/// The function of a method of this file.
fn method(name: &str) -> &'static Function {
    let end = format!("::{name}");
    let mut found = raykit::functions().into_iter().filter(|f| f.key().ends_with(&end));
    found.next().unwrap_or_else(|| panic!("no {name} in {:?}", raykit::functions()))
}

#[test]
fn entries() {
    let add = method("Counter::add");
    assert_eq!(add.key(), "actor_macro@0::Counter::add");
    assert_eq!(add.signature(), "fn add(&mut self, by: i64) -> i64");
    assert_eq!(method("Counter::new").signature(), "fn new(start: i64) -> Self");
    assert_eq!(method("Counter::type").key(), "actor_macro@0::Counter::type");
    assert_eq!(method("Counter::both").returns, 2);
    let of = |name: &str| method(&format!("Counter::{name}")).body;
    assert!(matches!(of("new"), Body::Make(_)));
    assert!(matches!(of("add"), Body::Exclusive(_)));
    assert!(matches!(of("value"), Body::Shared(_)));
    assert!(matches!(of("report"), Body::SharedAsync(_)));
    assert!(matches!(of("wait"), Body::ExclusiveAsync(_)));
    assert!(matches!(method("Later::new").body, Body::MakeAsync(_)));
    for local in ["::helper", "::free"] {
        assert!(raykit::functions().iter().all(|f| !f.key().ends_with(local)), "{local}");
    }
    // The schema knows the parameters' types and the result's.
    assert_ne!(add.schema(), method("Counter::value").schema());
    assert_eq!(add.schema(), method("Counter::wait").schema());
}

#[test]
fn options() {
    let own = <Counter as raykit::Actor>::__defaults();
    assert_eq!((own.max_restarts, own.restart_window), (3, Some(secs(9))));
    assert_eq!((own.memory, own.detached), (1 << 10, true));
    let of_later = <later::Later as raykit::Actor>::__defaults();
    assert_eq!(of_later.groups.as_ref(), [("io".into(), 2), ("compute".into(), 1)]);
    assert_eq!((of_later.name.as_deref(), of_later.namespace.as_deref()), (Some("l"), Some("m")));
    assert_eq!((of_later.max_pending, of_later.max_concurrency), (7, 8));
    assert!(of_later.out_of_order && !of_later.detached);
    assert_eq!(of_later.resources.as_ref(), [("disk".into(), 0.5)]);
    let both = &method("Counter::both").defaults;
    assert_eq!((both.max_retries, both.name.as_deref(), both.group), (1, Some("two"), Some("io")));
}

mod later {
    //! The struct here, its block elsewhere.
    use raykit::remote;

    #[remote(
        concurrency_groups("io" = 2, "compute" = 1),
        name = "l",
        namespace = "m",
        max_pending = 7,
        max_concurrency = 8,
        out_of_order = true,
        lifetime = counted,
        resources("disk" = 0.5),
        priority = 3,
        max_retries = 2
    )]
    pub(crate) struct Later(pub(crate) i64);
}

mod elsewhere {
    use raykit::remote;

    #[remote]
    impl super::later::Later {
        pub(crate) async fn new(start: &str) -> std::io::Result<Self> {
            std::future::ready(()).await;
            Ok(Self(start.len() as i64))
        }
        #[deprecated = "old"]
        pub(super) fn old(&self) -> i64 {
            self.0
        }
    }

    #[remote]
    impl super::later::Later {
        /// A second block.
        pub(crate) fn second(&mut self, x: [u8; 2]) -> [u8; 2] {
            self.0 += 1;
            x
        }
        #[cfg(all(unix, windows))]
        pub(crate) fn absent(&self, x: NoSuchType) {}
    }
}

mod conditional {
    //! No method with `&self` is there: the state need not be `Sync`.
    use std::cell::Cell;

    #[raykit::remote]
    pub(crate) struct Single(Cell<i64>);

    #[raykit::remote]
    impl Single {
        pub(crate) fn new() -> Result<Single, String> {
            Ok(Single(Cell::new(1)))
        }
        #[cfg(all(unix, windows))]
        pub(crate) fn absent(&self) {}
        pub(crate) fn change(&mut self) {
            self.0.set(2);
        }
        pub(crate) async fn change_later(&mut self) -> i64 {
            std::future::ready(()).await;
            self.0.get()
        }
    }

    #[raykit::remote]
    #[cfg(all(unix, windows))]
    struct Absent(NoSuchType);

    #[raykit::remote]
    #[cfg(all(unix, windows))]
    impl Absent {
        pub(crate) fn new() -> Self {}
    }
}

mod renamed {
    //! raykit under another name, in a macro, with a name that is a keyword.
    extern crate raykit as other_name;
    use std as raykit;

    macro_rules! make {
        ($name:ident, $ty:ty) => {
            #[other_name::remote(crate = other_name)]
            pub(crate) struct $name {
                value: $ty,
            }
            #[other_name::remote(crate = other_name)]
            impl $name {
                pub(crate) fn new(value: $ty) -> $name {
                    raykit::convert::identity($name { value })
                }
                pub(crate) fn get(&self, actor: i64, options: &$ty) -> $ty {
                    self.value + (actor as $ty) + options
                }
            }
        };
    }
    make!(r#Type, f64);
}

/// Never called: that it compiles is the test.
#[expect(deprecated, reason = "one method is")]
fn calls() {
    let counter: CounterHandle = Counter::remote(10);
    let five: ObjectRef<i64> = counter.add(5);
    let _: ObjectRef<i64> = counter.add(&five);
    let (_, _): (ObjectRef<i64>, ObjectRef<String>) = counter.both();
    let _: ObjectRef<i64> = counter.options().timeout(secs(1)).add(five);
    let _: (ObjectRef<i64>, ObjectRef<String>) = counter.options().both();
    let _: ObjectRef<()> = counter.report("me");
    let _: ObjectRef<i64> = counter.r#type((1, 2), [1, 2]);
    let _: ObjectRef<Vec<CounterHandle>> = counter.merge(vec![counter.clone()]);
    let _: CounterHandle = Counter::options().name("tally").num_cpus(1.0).remote(0);
    let _: later::LaterHandle = later::Later::remote("start");
    let later = later::Later::options().remote("a".to_owned());
    let _: ObjectRef<i64> = later.old();
    let _: ObjectRef<[u8; 2]> = later.options().second([1, 2]);
    let single = conditional::Single::remote();
    let _: (ObjectRef<()>, ObjectRef<i64>) = (single.change(), single.change_later());
    let of_macro = renamed::Type::remote(1.0);
    let _: ObjectRef<f64> = of_macro.options().get(1, 2.0);
}

#[test]
fn handles() {
    fn object<T: Object + Clone + std::fmt::Debug + Eq + std::hash::Hash + Send + Sync>() {}
    object::<CounterHandle>();
    object::<later::LaterHandle>();
    let _ = calls;
    #[remote]
    struct Local;
    #[remote]
    impl Local {
        pub(crate) fn new() -> Local {
            Local
        }
        pub(crate) fn own(&self, x: &CounterHandle) -> bool {
            *x == x.clone()
        }
    }
    let _ = || Local::remote().own(Counter::remote(1));
    assert!(method("Local::own").key().contains("handles"), "{}", method("Local::own").key());
}

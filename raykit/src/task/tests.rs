//! Bodies, called as a worker calls them.

#![expect(
    unsafe_code,
    unreachable_pub,
    reason = "only in this crate do lints see into the registry and the option methods"
)]

use super::arg::{Input, Inputs, IntoArg};
use super::call::{Call, Results};
use super::function::{Body, RemoteFunction};
use super::options::RetryOn;
use crate::base::Strategy;
use crate::object::{Object, Result, View};
use raykit::prelude::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn input<T, M>(value: impl IntoArg<T, M>) -> Input {
    value.into_arg()
}

/// Calls the body with these arguments.
fn run<F: RemoteFunction, const N: usize>(inputs: [Input; N]) -> Result<Results> {
    let call = Call::new(Inputs::new(inputs));
    let returns = match F::function().body {
        Body::Sync(body) => body(call),
        Body::Async(body) => match pin!(body(call)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(returns) => returns,
            Poll::Pending => unreachable!("nothing here waits"),
        },
        _ => unreachable!("a function"),
    };
    returns.map(|returns| returns.0)
}

/// The same, for a function with one result.
fn one<F: RemoteFunction, T: Object, const N: usize>(inputs: [Input; N]) -> Result<T> {
    match run::<F, N>(inputs)? {
        Results::One(value) => value.take(),
        Results::Many(_) => unreachable!("one result"),
    }
}

#[test]
fn parameters() {
    #[remote]
    fn all(
        own: i64,
        text: &str,
        slice: &[f64],
        (a, b): (i64, i64),
        view: View<Vec<i64>>,
    ) -> String {
        format!("{own} {text} {slice:?} {a} {b} {}", view.len())
    }
    #[remote]
    fn kept(mut own: Vec<u8>, borrowed: &Vec<u8>, _: bool) -> Vec<u8> {
        own.extend(borrowed);
        own
    }
    let inputs = [
        input::<i64, _>(1),
        input::<String, _>("two"),
        input::<Vec<f64>, _>([3.0, 4.5]),
        input::<(i64, i64), _>((5, 6)),
        input::<Vec<i64>, _>(vec![7, 8, 9]),
    ];
    assert_eq!(one::<all, String, 5>(inputs).unwrap(), "1 two [3.0, 4.5] 5 6 3");
    let inputs = [input::<Vec<u8>, _>(vec![1]), input(vec![2_u8]), input::<bool, _>(true)];
    assert_eq!(one::<kept, Vec<u8>, 3>(inputs).unwrap(), [1, 2]);
    assert_eq!(all(1, "", &[], (2, 3), view()), "1  [] 2 3 0");
}

/// An error that is an object.
#[object]
#[derive(Debug, PartialEq)]
struct Typed {
    code: i32,
}
impl std::fmt::Display for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {}", self.code)
    }
}
impl std::error::Error for Typed {}

/// An empty view.
fn view() -> View<Vec<i64>> {
    #[remote]
    fn same(view: View<Vec<i64>>) -> bool {
        view.is_empty()
    }
    assert!(one::<same, bool, 1>([input::<Vec<i64>, _>(vec![])]).unwrap());
    crate::object::value::Payload::new(crate::object::value::Value::new(Vec::<i64>::new()))
        .view()
        .unwrap()
}

#[test]
fn results() {
    #[derive(Debug)]
    struct Foreign;
    impl std::fmt::Display for Foreign {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("foreign")
        }
    }
    impl std::error::Error for Foreign {}

    #[remote]
    fn unit() {}
    #[remote]
    fn object(fail: bool) -> std::result::Result<i64, Typed> {
        if fail { Err(Typed { code: 3 }) } else { Ok(1) }
    }
    #[remote]
    fn other() -> std::result::Result<(), Foreign> {
        Err(Foreign)
    }
    #[remote(num_returns = 2)]
    fn two(fail: bool) -> anyhow::Result<(i64, String)> {
        anyhow::ensure!(!fail, "neither");
        Ok((1, "two".to_owned()))
    }

    one::<unit, (), 0>([]).unwrap();
    assert_eq!(one::<object, i64, 1>([input::<bool, _>(false)]).unwrap(), 1);
    let error = one::<object, i64, 1>([input::<bool, _>(true)]).unwrap_err();
    assert_eq!(error.downcast_ref::<Typed>(), Some(&Typed { code: 3 }));
    let error = one::<other, (), 0>([]).unwrap_err();
    assert!(error.to_string().contains("foreign"), "{error}");
    let Results::Many(values) = run::<two, 1>([input::<bool, _>(false)]).unwrap() else {
        unreachable!("two results")
    };
    assert_eq!(values.len(), 2);
    assert!(run::<two, 1>([input::<bool, _>(true)]).err().unwrap().to_string().contains("neither"));
}

#[test]
fn futures() {
    #[remote]
    async fn later(text: &str, times: usize) -> std::result::Result<String, String> {
        std::future::ready(()).await;
        if times == 0 { Err("never".to_owned()) } else { Ok(text.repeat(times)) }
    }
    let call = |times: usize| {
        one::<later, String, 2>([input::<String, _>("ab"), input::<usize, _>(times)])
    };
    assert_eq!(call(2).unwrap(), "abab");
    assert!(call(0).unwrap_err().to_string().contains("never"));
    assert_eq!(later::function().defaults.num_cpus, 0.0);
    assert_eq!(
        later::function().signature,
        "async fn later(text: &str, times: usize) -> std::result::Result<String, String>"
    );
}

#[test]
fn options() {
    const HALF: f64 = 0.5;
    fn sometimes(_: &crate::Error) -> bool {
        true
    }
    #[remote(
        num_cpus = HALF, num_gpus = 1, memory = 1 << 20, resources("disk" = 2), max_retries = 7,
        retry_on = sometimes, name = "full", timeout = Duration::from_secs(3), priority = -2,
        strategy = Spread
    )]
    fn full() {}
    #[remote]
    fn none() {}

    let defaults = &full::function().defaults;
    assert_eq!((defaults.num_cpus, defaults.num_gpus, defaults.memory), (0.5, 1.0, 1 << 20));
    assert_eq!(*defaults.resources, [("disk".into(), 2.0)]);
    assert_eq!((defaults.max_retries, defaults.priority), (7, Some(-2)));
    assert!(matches!(defaults.retry_on, RetryOn::When(_)));
    assert_eq!(defaults.name.as_deref(), Some("full"));
    assert_eq!(defaults.timeout, Some(Duration::from_secs(3)));
    assert_eq!(defaults.strategy, Strategy::Spread);
    assert!(none::function().defaults.is_plain());
    let shown = format!("{:?}", full::options().num_cpus(4.0));
    assert!(shown.contains("num_cpus: 4.0") && shown.contains("max_retries: 7"), "{shown}");
}

#[test]
fn what_is_known() {
    mod a {
        #[raykit::remote]
        pub(super) fn same(x: i64) -> i64 {
            x
        }
    }
    mod b {
        #[raykit::remote]
        pub(super) fn same(x: &i64) -> i64 {
            *x
        }
        pub(super) mod other {
            #[raykit::remote]
            pub(in super::super) fn same(x: i32) -> i64 {
                x.into()
            }
        }
    }
    let (a, b) = (a::same::function(), b::same::function());
    let other = b::other::same::function();
    assert_eq!(a.key(), "raykit@0::task::tests::what_is_known::a::same");
    assert_eq!(b.key(), "raykit@0::task::tests::what_is_known::b::same");
    assert_eq!(a.signature(), "fn same(x: i64) -> i64");
    assert_eq!(b.signature(), "fn same(x: &i64) -> i64");
    assert_eq!(a.schema(), b.schema(), "what travels is the same");
    assert_ne!(a.schema(), other.schema());
    assert_eq!((a.name(), a.returns), ("same", 1));
    assert!(a.location().0.ends_with("task/tests.rs"));
    assert!(crate::functions().iter().any(|function| std::ptr::eq(*function, a)));
}

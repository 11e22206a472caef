//! Many of everything at once; at the end nothing is left.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod common;

use common::{all_clear, eventually, node, value};
use raykit::Config;
use raykit::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

#[remote]
fn square(x: u64) -> u64 {
    x.wrapping_mul(x)
}

#[remote]
fn sums(xs: Vec<ObjectRef<u64>>) -> Result<u64, raykit::Error> {
    Ok(raykit::get(&xs)?.into_iter().fold(0, u64::wrapping_add))
}

#[remote(num_cpus = 0.5)]
fn fans_out(n: u64) -> Result<u64, raykit::Error> {
    sums::remote(square::map(0..n)).get()
}

#[remote]
async fn later(x: u64) -> Result<u64, raykit::Error> {
    square::remote(x).await
}

#[remote]
fn fails_at_times(x: u64) -> Result<u64, String> {
    match x % 7 {
        0 => Err("error".into()),
        1 => std::panic::resume_unwind(Box::new("panic")),
        _ => Ok(x),
    }
}

/// S8, R30: threads that come and go call all kinds of tasks, cancel some and forget some.
#[test]
fn a_crowd_of_callers() {
    for cpus in [1, 2] {
        let node = Config::new().num_cpus(cpus).num_gpus(1.0).max_pending(2_000).start().unwrap();
        let checked = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for caller in 0..6_u64 {
                let (node, checked) = (&node, &checked);
                scope.spawn(move || {
                    let _here = node.enter();
                    for round in 0..60 {
                        let x = caller * 100 + round;
                        let fan = fans_out::remote(20);
                        let future = later::remote(x);
                        let gpu = square::options().num_gpus(0.5).remote(x);
                        let urgent =
                            square::options().priority((round % 5) as i32 - 2).remote(&gpu);
                        let failing = fails_at_times::map(x..x + 10);
                        let timed = square::options().timeout(millis(round)).remote(x);
                        let unwanted = sums::remote(square::map(0..30));
                        unwanted.cancel();
                        drop(fans_out::remote(5));
                        assert_eq!(value(&fan).unwrap(), (0..20).map(|n| n * n).sum::<u64>());
                        assert_eq!(value(&future).unwrap(), x * x);
                        assert_eq!(value(&urgent).unwrap(), (x * x).wrapping_mul(x * x));
                        let errors = failing.iter().filter(|one| value(one).is_err()).count();
                        let wanted = (x..x + 10).filter(|x| x % 7 < 2).count();
                        assert_eq!(errors, wanted);
                        assert!(
                            value(&timed).is_ok_and(|found| found == x * x)
                                || value(&timed).is_err_and(|error| error.is_timeout())
                        );
                        if let Err(error) = value(&unwanted) {
                            assert!(error.is_cancelled(), "{error}");
                        }
                        checked.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(checked.load(Ordering::SeqCst), 360);
        let _here = node.enter();
        all_clear(cpus);
        eventually("the GPU is free", || raykit::stats().unwrap().gpus_free == 1.0);
    }
}

/// Threads outside the node that sleep and wake all the time: no wake-up is lost.
#[test]
fn one_task_at_a_time() {
    for cpus in [1, 2] {
        let node = node(cpus);
        let count = 3_000;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let _here = node.enter();
                    for x in 0..count {
                        assert_eq!(value(&square::remote(x)).unwrap(), x * x);
                    }
                });
            }
        });
        let _here = node.enter();
        all_clear(cpus);
        assert_eq!(raykit::stats().unwrap().tasks_submitted, 2 * count);
    }
}

#[test]
fn a_hundred_thousand_tasks_and_a_long_chain() {
    let node = node(2);
    let _here = node.enter();
    let refs = square::map(0..100_000);
    let sum = raykit::get(&refs).unwrap().into_iter().sum::<u64>();
    assert_eq!(sum, (0..100_000).map(|x| x * x).sum::<u64>());
    drop(refs);
    let mut last = raykit::put(1_u64).unwrap();
    for _ in 0..20_000 {
        last = square::remote(last);
    }
    assert_eq!(value(&last).unwrap(), 1);
    drop(last);
    all_clear(2);
}

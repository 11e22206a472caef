//! What goes wrong, and how it is told: errors, panics, retries, time limits, cancellation, and
//! waits that could never end.
//!
//! ```text
//! cargo run --release -p raykit-examples --example errors_and_retries
//! ```

use raykit::prelude::*;

#[remote]
fn parse(text: &str) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

#[remote]
fn double(x: i64) -> i64 {
    2 * x
}

#[remote]
fn third(numbers: &[i64]) -> i64 {
    numbers[2]
}

/// Fails twice, then succeeds.
#[remote(retry_on = all, max_retries = 5)]
fn flaky() -> Result<u32, String> {
    match raykit::context().attempt() {
        attempt @ 0..=1 => Err(format!("attempt {attempt} failed")),
        attempt => Ok(attempt),
    }
}

#[remote]
fn patient() {
    while !raykit::context().is_cancelled() {
        std::thread::sleep(millis(5)); // one step of some long work
    }
}

#[remote(num_gpus = 1)]
fn step() {}

/// Keeps the only GPU and waits for a task that needs it.
#[remote(num_gpus = 1)]
fn train() -> raykit::Result<()> {
    step::remote().get()
}

fn main() -> raykit::Result<()> {
    let _ray = raykit::Config::new().num_gpus(1.0).init()?;
    let say = |what: &str, error: raykit::Error| println!("{what}:\n    {error}");

    let failed = parse::remote("forty-two");
    let error = failed.get().expect_err("no number");
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some()); // the function's own error
    say("an error", error);
    say("what depends on it", double::remote(&failed).get().expect_err("failed with it"));
    say("a panic", third::remote([1, 2]).get().expect_err("out of bounds"));
    println!("attempts before success: {}", flaky::remote().get()?);

    let limit = patient::options().timeout(millis(20)).remote();
    say("a time limit", limit.get().expect_err("too late"));
    let waiting = patient::remote();
    say("a wait given up", waiting.timeout(millis(20)).get().expect_err("not ready"));
    waiting.cancel();
    say("a cancelled task", waiting.get().expect_err("cancelled"));

    let two = step::options().num_gpus(2.0).remote();
    say("a request that no node can meet", two.get().expect_err("there is one GPU"));
    say("a wait that could never end", train::remote().get().expect_err("a circle"));
    println!("{}", raykit::explain(&failed));
    Ok(())
}

use raykit::remote;

const LESS: f64 = -0.5;

#[remote(num_cpus = LESS)]
fn negative() {}

#[remote(timeout = ten())]
fn not_a_duration() {}

#[remote(retry_on = sometimes)]
fn wrong_retry() {}

#[remote(name = 3)]
fn wrong_name() {}

const fn ten() -> u64 {
    10
}

fn sometimes(_: &str) -> bool {
    true
}

fn main() {}

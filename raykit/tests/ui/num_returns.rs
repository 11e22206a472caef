use raykit::remote;

type Pair = (i64, i64);

#[remote(num_returns = 3)]
fn hidden() -> Pair {
    (1, 2)
}

#[remote(num_returns = 2)]
fn single() -> i64 {
    1
}

#[remote(num_returns = 2)]
fn alias() -> Result<Pair, String> {
    Ok((1, 2))
}

fn main() {}

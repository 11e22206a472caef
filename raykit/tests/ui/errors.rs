use raykit::remote;

#[derive(Debug)]
struct NoError;

#[remote]
fn not_an_error() -> Result<i64, NoError> {
    Err(NoError)
}

mod other {
    pub enum Result<T> {
        Fine(T),
    }
}

#[remote]
fn not_a_result() -> other::Result<i64> {
    other::Result::Fine(1)
}

fn main() {}

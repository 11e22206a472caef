use raykit::remote;
use std::rc::Rc;

#[remote]
async fn holds(x: i64) -> i64 {
    let shared = Rc::new(x);
    std::future::ready(()).await;
    *shared
}

fn main() {}

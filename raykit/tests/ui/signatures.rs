#![allow(unused_variables)]

use raykit::remote;

#[remote]
fn generic<T: Clone>(x: T) -> T {
    x
}

#[remote]
fn sized<const N: usize>(x: [u8; N]) {}

#[remote]
fn named_lifetime<'a>(x: &'a str) {}

#[remote]
fn for_ever(x: &'static str) {}

#[remote]
unsafe fn promises() {}

#[remote]
extern "C" fn foreign() {}

#[remote]
fn changes(x: &mut Vec<i64>) {}

#[remote]
fn some_type(x: impl Clone) {}

#[remote]
fn inside(x: Option<&str>, y: &[&str]) {}

#[remote]
fn boxed(x: Box<dyn Fn() + Send + Sync>) {}

#[remote]
fn behind(x: &dyn std::fmt::Debug) {}

#[remote]
fn conditional(#[cfg(unix)] x: i64) {}

struct Type;
impl Type {
    #[remote]
    fn method(&self) {}
}

fn main() {
    // Callers see no second error.
    generic::remote(3);
    changes::remote(vec![3]);
}

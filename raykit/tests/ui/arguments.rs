#![allow(unused_variables)]

use raykit::{ObjectRef, remote};

#[remote]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[remote]
fn text(text: &str) {}

#[remote]
fn numbers(numbers: &[f64]) {}

fn main() {
    let _ = add::remote("one", 2);
    let _ = add::remote(1);
    let _ = add::remote(1, 2, 3);
    let _ = text::remote(3);
    let _ = numbers::remote(vec![1, 2]);
    let wrong: ObjectRef<String> = add::remote(1, 2);
    let _ = add::remote(wrong, 2);
    let _ = add::map(0..3);
    let _ = text::map([1, 2]);
    let _ = add {};
}

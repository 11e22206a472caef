use raykit::prelude::*;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

#[object]
struct Counter {
    plain: u64,
    cell: Cell<u64>,
    lock: HashMap<String, Mutex<u64>>,
    atomic: AtomicU64,
    shared: Arc<String>,
}

fn main() {}

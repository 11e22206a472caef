//! The smallest program: one function, called as a task.
//!
//! ```text
//! cargo run --release -p raykit-examples --example hello_world
//! ```

use raykit::prelude::*;

#[remote]
fn hello_world() -> String {
    "Hello, world!".into()
}

fn main() -> raykit::Result<()> {
    let _ray = raykit::init()?; // a node with all cores, inside this program
    let greeting: ObjectRef<String> = hello_world::remote(); // returns at once
    println!("{}", greeting.get()?);
    Ok(())
}

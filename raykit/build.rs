//! Exists so that `links = "raykit"` is allowed: two raykits in one program would mean two registries
//! and two nodes, and cargo refuses that.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

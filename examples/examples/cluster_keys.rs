//! Makes the keys of a cluster in a folder, and a token that is good until it is revoked. Every head
//! that is started with `--keep FOLDER` is that cluster's, one after the other.
//!
//! ```text
//! cargo run --release -p raykit-examples --example cluster_keys -- FOLDER > token
//! ```

use raykit_examples::{arguments, refuse};

const USAGE: &str = "\
usage: cluster_keys FOLDER
Prints a token with which nodes join. No head may be using FOLDER meanwhile.";

fn main() -> raykit::Result<()> {
    let [folder] = arguments(USAGE);
    let folder = folder.unwrap_or_else(|| refuse(USAGE, "a folder is missing"));
    // A head for a moment, at a port that is free. It has the right to make tokens.
    let here = ([127, 0, 0, 1], 0).into();
    let _head = raykit::Config::new().num_cpus(0).head(here).keep(folder).init()?;
    println!("{}", raykit::join_token(None)?);
    Ok(())
}

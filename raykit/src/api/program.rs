//! A program that is a driver or a node: what `#[raykit::main]` expands to.

/// Whether the program was started to be a node.
pub fn is_node() -> bool {
    cfg!(feature = "cluster") && std::env::args_os().nth(1).is_some_and(|word| word == "worker")
}

/// Is a node, and ends the process with it.
pub fn be_node() -> ! {
    #[cfg(feature = "cluster")]
    {
        let mut words: Vec<_> = std::env::args_os().collect();
        let program = words.remove(0);
        words[0] = program; // in the place of `worker`
        match super::worker::parse("worker", words).run() {
            Ok(()) => std::process::exit(0),
            Err(error) => {
                eprintln!("raykit: {error}");
                std::process::exit(1)
            }
        }
    }
    #[cfg(not(feature = "cluster"))]
    std::process::exit(1)
}

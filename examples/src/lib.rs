//! What the programs in the folder `examples` share: how they read their command line, find files
//! and make up input.

use anyhow::Context as _;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::str::FromStr;

/// The arguments of the program, at most `N` of them.
///
/// On `--help` it prints `usage` and ends the program, and so it does when there are more arguments
/// or an option that it does not know.
pub fn arguments<const N: usize>(usage: &str) -> [Option<String>; N] {
    let mut found = [const { None }; N];
    for (at, argument) in std::env::args().skip(1).enumerate() {
        if argument == "--help" || argument == "-h" {
            println!("{usage}");
            std::process::exit(0);
        }
        if argument.starts_with('-') || at >= N {
            refuse(usage, &format!("`{argument}` was not expected"));
        }
        found[at] = Some(argument);
    }
    found
}

/// The number in `given`, or `standard` where nothing was given. Ends the program if it is no
/// number.
pub fn number<T: FromStr<Err: Display>>(given: Option<String>, standard: T, usage: &str) -> T {
    let Some(text) = given else { return standard };
    let plain = text.replace('_', "");
    plain.parse().unwrap_or_else(|error| refuse(usage, &format!("`{text}`: {error}")))
}

/// Says what is wrong with the command line, and ends the program.
pub fn refuse(usage: &str, problem: &str) -> ! {
    eprintln!("error: {problem}\n\n{usage}");
    std::process::exit(2);
}

/// The files below `directory` and their lengths, without hidden ones and build products.
pub fn files_below(directory: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = std::fs::read_dir(&directory);
        for entry in entries.with_context(|| directory.display().to_string())? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            if kind.is_symlink() || name == "target" || name.to_string_lossy().starts_with('.') {
                continue;
            }
            match kind.is_dir() {
                true => open.push(entry.path()),
                false => found
                    .push((entry.path().to_string_lossy().into_owned(), entry.metadata()?.len())),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Numbers without an order that one could see, each time the same (xorshift64).
pub fn random_numbers() -> impl Iterator<Item = u64> {
    let next = |x: &u64| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 7);
        Some(x ^ (x << 17))
    };
    std::iter::successors(Some(88_172_645_463_325_252), next)
}

/// Writes each item on a line of its own.
pub fn write_lines<T: Display>(
    path: &str,
    lines: impl IntoIterator<Item = T>,
) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path).with_context(|| path.to_owned())?);
    lines.into_iter().try_for_each(|line| writeln!(file, "{line}"))?;
    file.flush().with_context(|| path.to_owned())
}

/// A line of a web server's log, in the common log format, that is made up from a number.
pub fn log_line(x: u64) -> String {
    let path = ["/", "/login", "/search?q=ray", "/logo.png"][(x >> 40) as usize % 4];
    let status = [200, 200, 200, 304, 404, 500][(x >> 20) as usize % 6];
    let (client, bytes) = (x % 256, x % 10_000);
    let request = format!("\"GET {path} HTTP/1.1\" {status} {bytes}");
    format!("10.0.0.{client} - - [01/Jan/2026:12:00:00 +0000] {request}")
}

//! The command line.

use crate::bench::Row;
use crate::rows;
use std::path::PathBuf;

/// What the caller wants.
pub(crate) enum Wish {
    Measure(Args),
    Help,
    /// This process is a child of a measuring one: it measures one thing in a fresh process.
    Child(String),
}

/// What to measure, and how often.
pub(crate) struct Args {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) rounds: usize,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) with_ray: bool,
}

const ROUNDS: usize = 5;

pub(crate) fn help() -> String {
    let mut text = format!(
        "Measures raykit and its peers side by side, and says which goals are met.\n\n\
         usage: cargo run --release -p raykit-benches -- [options]\n\n  \
         --rows a,b        only these rows\n  \
         --rounds N        rounds, of which the median is told ({ROUNDS})\n  \
         --markdown FILE   writes the table as Markdown too\n  \
         --no-ray          leaves Ray out\n  \
         --help            this text\n\n\
         Ray is measured with the Python interpreter that RAYKIT_BENCH_PYTHON names, else with\n\
         .venv/bin/python if that is there. It needs the packages ray, numpy and psutil.\n\nrows:\n"
    );
    for row in rows::ALL {
        let lines: Vec<&str> = row.lines.iter().map(|line| line.what).collect();
        text.push_str(&format!("  {:<10} {}\n", row.name, lines.join("; ")));
    }
    text.trim_end().to_owned()
}

pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut args =
        Args { rows: rows::ALL.iter().collect(), rounds: ROUNDS, markdown: None, with_ray: true };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--child" => return value().map(Wish::Child),
            "--rows" => args.rows = chosen(&value()?)?,
            "--rounds" => args.rounds = count(&value()?)?,
            "--markdown" => args.markdown = Some(value()?.into()),
            "--no-ray" => args.with_ray = false,
            _ => return Err(format!("`{word}` is no option")),
        }
    }
    Ok(Wish::Measure(args))
}

fn count(value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("--rounds: `{value}` is not a number from 1 on")),
    }
}

/// The rows of these names, in the order of the table.
fn chosen(names: &str) -> Result<Vec<&'static Row>, String> {
    let names: Vec<&str> =
        names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let known = |name: &&&str| rows::ALL.iter().any(|row| row.name == **name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = rows::ALL.iter().map(|row| row.name).collect();
        return Err(format!("there is no row `{unknown}`; the rows are {}", all.join(", ")));
    }
    if names.is_empty() {
        return Err("--rows names no row".to_owned());
    }
    Ok(rows::ALL.iter().filter(|row| names.contains(&row.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(words: &str) -> String {
        match read(words.split_whitespace().map(str::to_owned)) {
            Err(fault) => fault,
            Ok(_) => panic!("`{words}` was accepted"),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(fault("--rows latency,nonsense").contains("there is no row `nonsense`"));
        assert!(fault("--rows").contains("`--rows` needs a value"));
        assert!(fault("--rounds 0").contains("`0` is not a number"));
        assert!(fault("--fast").contains("`--fast` is no option"));
    }

    #[test]
    fn rows_come_in_the_order_of_the_table() {
        let words = ["--rows", "pi,latency", "--rounds", "2"].map(str::to_owned);
        let Ok(Wish::Measure(args)) = read(words.into_iter()) else { panic!("refused") };
        let names: Vec<&str> = args.rows.iter().map(|row| row.name).collect();
        assert_eq!((names, args.rounds), (vec!["latency", "pi"], 2));
    }
}

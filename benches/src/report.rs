//! The table: one line for each figure and each peer that it is held against.

use crate::bench::{Bench, Figure, Goal, Line, RAYKIT, Row, Unit};
use crate::machine::Machine;

const HEAD: [&str; 8] = ["row", "what", "raykit", "peer", "its figure", "ratio", "goal", "met"];

pub(crate) struct Report {
    entries: Vec<[String; 8]>,
    notes: Vec<(String, String)>,
    faults: Vec<String>,
    facts: Vec<String>,
}

impl Report {
    pub(crate) fn new(rows: &[&Row], bench: &Bench, machine: &Machine) -> Report {
        let lines = rows.iter().flat_map(|row| row.lines.iter().map(move |line| (row.name, line)));
        let mut facts = machine.lines();
        facts.push(format!(
            "rounds: {}, raykit and its peers in turn; median (least to most)",
            bench.rounds
        ));
        Report {
            entries: lines.flat_map(|(row, line)| entries(row, line, bench)).collect(),
            notes: rows.iter().map(|row| (row.name.to_owned(), row.note.to_owned())).collect(),
            faults: bench.faults.clone(),
            facts,
        }
    }

    fn verdict(&self) -> String {
        let told = |what: &str| self.entries.iter().filter(|entry| entry[7] == what).count();
        let open = self.entries.iter().filter(|e| e[6] != "-" && e[7] == "-").count();
        let missed: Vec<String> = self
            .entries
            .iter()
            .filter(|e| e[7] == "NO")
            .map(|e| format!("{} ({})", e[1], e[6]))
            .collect();
        let mut text = format!("goals met: {}; missed: {}", told("yes"), missed.len());
        if open > 0 {
            text.push_str(&format!("; not measured: {open}"));
        }
        match missed.is_empty() {
            true => text,
            false => format!("{text}\nmissed: {}", missed.join("; ")),
        }
    }

    /// For a terminal.
    pub(crate) fn plain(&self) -> String {
        let all: Vec<[String; 8]> =
            std::iter::once(HEAD.map(str::to_owned)).chain(self.shortened()).collect();
        let width =
            |at: usize| all.iter().map(|entry| entry[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        let mut text = self.facts.iter().map(|fact| format!("{fact}\n")).collect::<String>() + "\n";
        for entry in &all {
            let cells: Vec<String> =
                entry.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text.push_str("\nhow each row is measured\n");
        for (row, note) in &self.notes {
            text.push_str(&format!("  {row}: {note}\n"));
        }
        text.push_str(&format!("\n{}\n", self.verdict()));
        for fault in &self.faults {
            text.push_str(&format!("failed: {fault}\n"));
        }
        text
    }

    /// What stands in the line above already is not repeated.
    fn shortened(&self) -> Vec<[String; 8]> {
        let mut before = ["", "", ""];
        let mut short = Vec::new();
        for entry in &self.entries {
            let mut cells = entry.clone();
            let now = [entry[0].as_str(), entry[1].as_str(), entry[2].as_str()];
            let same = (0..3).take_while(|at| now[*at] == before[*at]).count();
            cells.iter_mut().take(same).for_each(String::clear);
            before = now;
            short.push(cells);
        }
        short
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# Results\n\nWritten by `raykit-benches --markdown`.\n\n");
        self.facts.iter().for_each(|fact| text.push_str(&format!("- {fact}\n")));
        text.push_str(&format!("\n| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len())));
        for entry in self.shortened() {
            text.push_str(&format!("| {} |\n", entry.join(" | ")));
        }
        text.push_str(&format!(
            "\n{}\n\n## How each row is measured\n\n",
            self.verdict().replace('\n', "\n\n")
        ));
        for (row, note) in &self.notes {
            text.push_str(&format!("- **{row}**: {note}\n"));
        }
        if !self.faults.is_empty() {
            text.push_str("\n## What failed\n\n");
            self.faults.iter().for_each(|fault| text.push_str(&format!("- {fault}\n")));
        }
        text
    }
}

/// The lines of the table for one figure.
fn entries(row: &str, line: &Line, bench: &Bench) -> Vec<[String; 8]> {
    let ours = bench.figure(line.key, RAYKIT);
    let entry = |peer: &str, theirs: String, ratio: String, goal: String, met: Option<bool>| {
        let met = met.map_or("-", |met| if met { "yes" } else { "NO" });
        let ours = told(ours, line.unit);
        [row, line.what, &ours, peer, &theirs, &ratio, &goal, met].map(str::to_owned)
    };
    let mut all = Vec::new();
    if let Some(limit) = line.under {
        let met = ours.map(|ours| ours.median < limit);
        all.push(entry(
            "-",
            "-".into(),
            "-".into(),
            format!("< {}", amount(limit, line.unit)),
            met,
        ));
    }
    for (peer, goal) in line.peers {
        let theirs = bench.figure(line.key, peer);
        let both = ours.zip(theirs).map(|(ours, theirs)| (ours.median, theirs.median));
        let (ratio, wish, met) = compare(both, *goal);
        all.push(entry(peer, told(theirs, line.unit), ratio, wish, met));
    }
    if all.is_empty() {
        all.push(entry("-", "-".into(), "-".into(), "-".into(), None));
    }
    all
}

/// The ratio, the goal in words, and whether it is met.
fn compare(both: Option<(f64, f64)>, goal: Goal) -> (String, String, Option<bool>) {
    let text = |ratio: f64, of: &str| format!("{}x {of}", digits(ratio));
    match goal {
        Goal::AtMost(most) => {
            let ratio = both.map(|(ours, theirs)| ours / theirs);
            let shown = ratio.map_or("-".into(), |ratio| text(ratio, "its time"));
            (shown, format!("<= {most}x its time"), ratio.map(|ratio| ratio <= most))
        }
        Goal::AtLeast(least) => {
            let ratio = both.map(|(ours, theirs)| theirs / ours);
            let shown = ratio.map_or("-".into(), |ratio| text(ratio, "as fast"));
            (shown, format!(">= {least}x as fast"), ratio.map(|ratio| ratio >= least))
        }
        Goal::None => {
            let shown = both.map(|(ours, theirs)| match theirs >= ours {
                true => text(theirs / ours, "less"),
                false => text(ours / theirs, "more"),
            });
            (shown.unwrap_or("-".into()), "-".into(), None)
        }
    }
}

/// The median, and the spread where there is one; a unit that both ends have is told once.
fn told(figure: Option<Figure>, unit: Unit) -> String {
    let Some(figure) = figure else { return "-".into() };
    let middle = amount(figure.median, unit);
    if figure.least >= figure.most {
        return middle;
    }
    let unit = if matches!(unit, Unit::SecondsOfGib) { Unit::Seconds } else { unit };
    let (least, most) = (amount(figure.least, unit), amount(figure.most, unit));
    let short = match (least.split_once(' '), most.split_once(' ')) {
        (Some((number, one)), Some((_, other))) if one == other => number,
        _ => &least,
    };
    format!("{middle} ({short} to {most})")
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds => seconds(value),
        Unit::SecondsOfGib => {
            let rate = f64::from(1 << 30) / value / 1e9;
            format!("{}, {} GB/s", seconds(value), digits(rate))
        }
        Unit::Bytes if value >= f64::from(1 << 20) => {
            format!("{} MiB", digits(value / f64::from(1 << 20)))
        }
        Unit::Bytes => format!("{} B", digits(value)),
        Unit::Percent => format!("{} %", digits(value)),
        Unit::Count => format!("{value:.0}"),
    }
}

fn seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => format!("{} s", digits(v)),
        v if v >= 1e-3 => format!("{} ms", digits(v * 1e3)),
        v if v >= 1e-6 => format!("{} us", digits(v * 1e6)),
        v => format!("{} ns", digits(v * 1e9)),
    }
}

/// About three digits.
fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        v if v >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::RAY;

    const LINE: Line = Line {
        key: "a.b",
        what: "a thing",
        unit: Unit::Seconds,
        peers: &[("peer", Goal::AtMost(2.0)), (RAY, Goal::AtLeast(300.0))],
        under: Some(1e-3),
    };

    #[test]
    fn goals_are_judged_and_what_is_missing_is_not() {
        let mut bench = Bench::new(1);
        bench.record("a.b", RAYKIT, 3e-6);
        bench.record("a.b", "peer", 1e-6);
        let told = entries("a", &LINE, &bench);
        assert_eq!(told[0], ["a", "a thing", "3.00 us", "-", "-", "-", "< 1.00 ms", "yes"]);
        assert_eq!(
            told[1],
            [
                "a",
                "a thing",
                "3.00 us",
                "peer",
                "1.00 us",
                "3.00x its time",
                "<= 2x its time",
                "NO"
            ]
        );
        assert_eq!(told[2][3..], ["Ray", "-", "-", ">= 300x as fast", "-"]);
        let spread = Figure { median: 2e-6, least: 1e-6, most: 3e-6 };
        assert_eq!(super::told(Some(spread), Unit::Seconds), "2.00 us (1.00 to 3.00 us)");
    }
}

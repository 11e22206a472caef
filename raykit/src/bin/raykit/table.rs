//! Tables for people: columns as wide as they have to be, numbers to the right.

/// Rows under a heading.
pub(crate) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A cell wider than this is cut.
const WIDTH_MAX: usize = 60;

impl Table {
    pub(crate) fn new(heads: &[&'static str]) -> Table {
        Table { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().map(|cell| cut(&cell)).collect());
    }

    pub(crate) fn text(&self) -> String {
        let width = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(self.heads[at].len())
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let right: Vec<bool> = (0..self.heads.len()).map(|at| self.is_number(at)).collect();
        let heads: Vec<String> = self.heads.iter().map(|&head| head.to_owned()).collect();
        let lines = std::iter::once(&heads).chain(&self.rows);
        let mut text = String::new();
        for row in lines {
            let cells = row.iter().enumerate().map(|(at, cell)| match right[at] {
                true => format!("{cell:>width$}", width = widths[at]),
                false => format!("{cell:<width$}", width = widths[at]),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Whether all that stands in a column begins with a digit, or is left out.
    fn is_number(&self, at: usize) -> bool {
        let number = |cell: &String| cell == "-" || cell.starts_with(|c: char| c.is_ascii_digit());
        !self.rows.is_empty() && self.rows.iter().filter_map(|row| row.get(at)).all(number)
    }
}

/// One line, not too long, and nothing in it that a terminal would obey.
fn cut(cell: &str) -> String {
    let line: String =
        cell.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WIDTH_MAX + 1).collect();
    match line.chars().count() > WIDTH_MAX {
        true => line.chars().take(WIDTH_MAX - 2).chain("..".chars()).collect(),
        false => line,
    }
}

/// Bytes as people read them.
pub(crate) fn bytes(n: f64) -> String {
    let mut left = n;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if left < 1024.0 {
            return if unit == "B" { format!("{left:.0} B") } else { format!("{left:.1} {unit}") };
        }
        left /= 1024.0;
    }
    format!("{left:.1} TiB")
}

/// An amount without needless digits.
pub(crate) fn amount(n: f64) -> String {
    format!("{}", (n * 10_000.0).round() / 10_000.0)
}

/// A span of milliseconds as people read it.
pub(crate) fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m{:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["NAME", "N"]);
        table.add(["a\nb".to_owned(), "7".to_owned()]);
        table.add(["longer".to_owned(), "1234".to_owned()]);
        table.add(["x".repeat(99), "-".to_owned()]);
        let expected = format!(
            "{:<60}     N\n{:<60}     7\n{:<60}  1234\n{}..     -\n",
            "NAME",
            "a b",
            "longer",
            "x".repeat(58)
        );
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([bytes(12.0), bytes(1536.0), bytes(3e9)], ["12 B", "1.5 KiB", "2.8 GiB"]);
        assert_eq!([amount(2.0), amount(0.3 - 0.1)], ["2", "0.2"]);
        assert_eq!([span(1_999), span(61_000), span(90_061_000)], ["1s", "1m01s", "1d01h"]);
    }
}

//! Text that others have written, for a terminal: it may be coloured, and moves and asks nothing.

/// `text` without what a terminal would obey, but for ends of lines, tabs and colours. For what
/// comes from nodes of a cluster and is shown to people: names, messages of errors, logs.
///
/// ```
/// let name = "\u{1b}[2Jbig-\u{7}host";
/// assert_eq!(raykit::state::plain(name), "[2Jbig-host");
/// ```
pub fn plain(text: &str) -> String {
    without(text, "\n\t")
}

/// The same for what has to stay in one line.
pub(crate) fn plain_line(text: &str) -> String {
    without(text, "\t")
}

/// `text` without control characters, but for these and those of colours.
fn without(text: &str, but_for: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = colour_len(rest);
        if !c.is_control() || but_for.contains(c) || colour > 0 {
            out.push_str(&rest[..colour.max(c.len_utf8())]);
        }
        rest = &rest[colour.max(c.len_utf8())..];
    }
    out
}

/// How long the change of colour is that `text` begins with; 0 if it begins with none.
fn colour_len(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';');
    match end {
        Some(at) if inner[at..].starts_with('m') => 2 + at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_orders_go() {
        let colours = "\u{1b}[1;31mred\u{1b}[0m";
        assert_eq!([plain(colours), plain_line(colours)], [colours, colours]);
        assert_eq!(plain("\u{1b}]52;c;x\u{7}\u{1b}[2J\u{1b}["), "]52;c;x[2J[");
        assert_eq!(plain("a\u{9b}2J\u{7f}\r\nb\tc"), "a2J\nb\tc");
        assert_eq!(plain_line("a\nb\tc\r"), "ab\tc");
    }
}

//! Reads as much of YAML as the manifest needs, and refuses the rest: blocks of maps and lists,
//! words, numbers, quoted texts, `{}` and lists of words in brackets.

use serde_json::{Map, Value};

/// The documents of a file, one after the other.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(document).collect()
}

/// A line: its number for messages, how far it is indented, what it says.
struct Line(usize, usize, String);

fn document(text: &str) -> Value {
    let line = |(number, line): (usize, &str)| {
        let says = line.trim();
        let indent = line.len() - line.trim_start().len();
        (!says.is_empty() && !says.starts_with('#')).then(|| Line(number + 1, indent, says.into()))
    };
    let mut lines: Vec<Line> = text.lines().enumerate().filter_map(line).collect();
    lines.reverse(); // the next one is the last
    let value = block(&mut lines, 0);
    assert!(lines.is_empty(), "line {} is indented less than the first", lines[0].0);
    value
}

fn block(lines: &mut Vec<Line>, indent: usize) -> Value {
    match lines.last() {
        Some(Line(_, at, says)) if *at == indent && says.starts_with("- ") => list(lines, indent),
        Some(Line(_, at, says)) if *at == indent && pair(says).is_some() => map(lines, indent),
        Some(Line(_, at, _)) if *at == indent => scalar(&lines.pop().expect("the line").2),
        other => panic!("nothing at {indent}: {:?}", other.map(|line| (line.0, &line.2))),
    }
}

fn list(lines: &mut Vec<Line>, indent: usize) -> Value {
    let mut items = Vec::new();
    while let Some(Line(number, _, says)) =
        lines.pop_if(|Line(_, at, says)| *at == indent && says.starts_with("- "))
    {
        lines.push(Line(number, indent + 2, says[2..].to_owned()));
        items.push(block(lines, indent + 2));
    }
    Value::Array(items)
}

fn map(lines: &mut Vec<Line>, indent: usize) -> Value {
    let mut entries = Map::new();
    while let Some(Line(number, _, says)) = lines.pop_if(|Line(_, at, _)| *at == indent) {
        let (key, rest) = pair(&says).unwrap_or_else(|| panic!("line {number}: {says}"));
        let value = match (rest, lines.last()) {
            ("", Some(Line(_, deeper, _))) if *deeper > indent => {
                let deeper = *deeper;
                block(lines, deeper)
            }
            ("", _) => Value::Null,
            (rest, _) => scalar(rest),
        };
        assert!(entries.insert(key.to_owned(), value).is_none(), "line {number}: {key} again");
    }
    Value::Object(entries)
}

/// `key: value`, or `key:` with its value below.
fn pair(says: &str) -> Option<(&str, &str)> {
    let (key, rest) = says.split_once(':')?;
    let plain = key.chars().all(|c| c.is_alphanumeric() || "./_-".contains(c));
    (plain && (rest.is_empty() || rest.starts_with(' '))).then(|| (key, rest.trim()))
}

fn scalar(says: &str) -> Value {
    if let Some(inner) = says.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Value::Array(inner.split(',').map(|one| scalar(one.trim())).collect());
    }
    if let Some(inner) = says.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        assert!(!inner.contains(['"', '\\']), "{says} has a sign that is not read");
        return inner.into();
    }
    assert!(!says.starts_with(['{', '&', '*', '|', '>', '\'', '"']) || says == "{}", "{says}");
    match says {
        "{}" => Value::Object(Map::new()),
        "true" | "false" => (says == "true").into(),
        _ => says.parse::<i64>().map_or_else(|_| says.into(), Value::from),
    }
}

//! Labels of nodes, and what a call may ask of them.

use std::fmt;

/// What one label of a node must be, or must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) key: String,
    /// It must be none of the values; a node without the label will do.
    pub(crate) not: bool,
    pub(crate) values: Vec<String>,
}

/// The most labels and values that one call may name.
const WORDS_MAX: usize = 64;

impl Need {
    /// Reads what is asked of the label `key`: `a`, `!a`, `in(a, b)` or `!in(a, b)`, as in Ray.
    pub(crate) fn parse(key: &str, text: &str) -> Result<Need, String> {
        let (not, rest) = match text.trim().strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text.trim()),
        };
        let list = rest.strip_prefix("in(").map(|list| list.strip_suffix(')').ok_or(list));
        let values: Vec<String> = match list {
            None => vec![rest.to_owned()],
            Some(Ok(list)) => list.split(',').map(|value| value.trim().to_owned()).collect(),
            Some(Err(_)) => return Err(format!("`{text}` has no closing bracket")),
        };
        let odd = |word: &str| {
            word.is_empty() || word.contains(|c: char| c.is_whitespace() || "!(),".contains(c))
        };
        if odd(key) {
            return Err(format!("`{key}` is no label"));
        }
        if values.iter().any(|value| odd(value)) || values.len() > WORDS_MAX {
            let words = "a label is asked for as `a`, `!a`, `in(a, b)` or `!in(a, b)`";
            return Err(format!("{words}, and not as `{text}`"));
        }
        Ok(Need { key: key.to_owned(), not, values })
    }

    fn is_met_by(&self, labels: &[(String, String)]) -> bool {
        let has = |(key, value): &(String, String)| *key == self.key && self.values.contains(value);
        labels.iter().any(has) != self.not
    }
}

/// Whether a node with these labels will do.
pub(crate) fn meet(labels: &[(String, String)], needs: &[Need]) -> bool {
    needs.iter().all(|need| need.is_met_by(labels))
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.not { "!" } else { "" };
        match &self.values[..] {
            [only] => write!(f, "{} = {not}{only}", self.key),
            all => write!(f, "{} = {not}in({})", self.key, all.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_labels() {
        let labels = [("zone", "a"), ("gpu", "H100")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let table = [
            ("zone", "a", true),
            ("zone", "b", false),
            ("zone", "!b", true),
            ("zone", "! a", false),
            ("zone", "in(a, b)", true),
            ("zone", "in(b)", false),
            ("gpu", "!in(A100,H200)", true),
            ("gpu", "!in(A100,H100)", false),
            ("rack", "1", false),
            ("rack", "!1", true),
        ];
        for (key, text, wanted) in table {
            let need = Need::parse(key, text).expect("it can be read");
            assert_eq!(meet(&labels, &[need]), wanted, "{key} = {text}");
        }
        let both = [("zone", "a"), ("gpu", "A100")];
        let both = both.map(|(key, text)| Need::parse(key, text).expect("it can be read"));
        assert!(!meet(&labels, &both));
        assert!(meet(&labels, &[]));
        assert_eq!(both[1].to_string(), "gpu = A100");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (key, text) in
            [("zone", ""), ("zone", "in(a"), ("zone", "a b"), ("", "a"), ("a b", "a"), ("a", "!")]
        {
            assert!(Need::parse(key, text).is_err(), "{key} = {text}");
        }
    }
}

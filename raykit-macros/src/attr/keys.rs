//! Which options there are, on what, and what to say to one that stands in the wrong place.

use super::Owner;
use proc_macro2::Ident;

/// Of functions.
const FUNCTION: &[&str] = &[
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "labels",
    "max_retries",
    "retry_on",
    "name",
    "timeout",
    "priority",
    "strategy",
    "num_returns",
    "backpressure",
    "backpressure_bytes",
    "crate",
];

/// Of an actor's struct.
const STRUCT: &[&str] = &[
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "labels",
    "max_restarts",
    "restart_window",
    "max_retries",
    "max_concurrency",
    "max_pending",
    "checkpoint_every",
    "lifetime",
    "name",
    "namespace",
    "priority",
    "strategy",
    "out_of_order",
    "pinned",
    "concurrency_groups",
    "crate",
];

/// Of an actor's `impl` block.
const IMPL: &[&str] = &["crate"];

/// Of one method.
const METHOD: &[&str] = &[
    "name",
    "timeout",
    "max_retries",
    "retry_on",
    "num_returns",
    "backpressure",
    "backpressure_bytes",
    "concurrency_group",
    "on_stop",
];

/// The key as it is known, if it may stand here.
pub(super) fn known(key: &Ident, owner: Owner) -> syn::Result<&'static str> {
    let found = keys(owner).iter().find(|known| key == **known);
    found.copied().ok_or_else(|| {
        let words = elsewhere(&key.to_string(), owner).unwrap_or_else(|| unknown(key, owner));
        syn::Error::new(key.span(), words)
    })
}

fn keys(owner: Owner) -> &'static [&'static str] {
    match owner {
        Owner::Function => FUNCTION,
        Owner::Struct => STRUCT,
        Owner::Impl => IMPL,
        Owner::Method => METHOD,
    }
}

/// The keys in words.
pub(super) fn list(owner: Owner) -> String {
    let known = keys(owner).iter().map(|key| format!("`{key}`"));
    let list = known.collect::<Vec<_>>().join(", ");
    match owner {
        Owner::Function => format!("the options are {list}"),
        Owner::Struct => format!("the options of an actor are {list}"),
        Owner::Impl => format!("an `impl` block takes only {list}"),
        Owner::Method => format!("the options of a method are {list}"),
    }
}

/// What to say to a key that is one of something else.
fn elsewhere(key: &str, owner: Owner) -> Option<String> {
    let [of_function, of_struct, of_method] =
        [FUNCTION, STRUCT, METHOD].map(|keys| keys.contains(&key));
    let words = match owner {
        Owner::Function if of_struct => {
            format!("`{key}` is an option of an actor; it stands on the struct of one")
        }
        Owner::Function if of_method => {
            format!("`{key}` is an option of an actor's method; it stands on one")
        }
        Owner::Struct if key == "on_stop" => {
            "`on_stop` stands on the method that the actor runs at \
             its end, as `#[remote(on_stop)]`"
                .to_owned()
        }
        Owner::Struct if of_method => format!(
            "`{key}` is an option of one method; put `#[remote({key} = ..)]` on the method in the \
             `impl` block"
        ),
        Owner::Struct if of_function => {
            format!("`{key}` is an option of functions; an actor has none, leave it out")
        }
        Owner::Method if key == "crate" => {
            "the path to raykit stands on the whole `impl` block: `#[remote(crate = ..)]`"
                .to_owned()
        }
        Owner::Method if of_struct => {
            format!("`{key}` is an option of the whole actor; put it on the struct")
        }
        Owner::Method if of_function => {
            format!("`{key}` is an option of functions; a method runs where its actor is")
        }
        Owner::Impl if of_struct && of_method => format!(
            "`{key}` does not stand on the `impl` block; put it on the struct for the whole actor, \
             or on one method"
        ),
        Owner::Impl if of_struct => {
            format!("`{key}` is an option of the whole actor; put it on the struct")
        }
        Owner::Impl if of_method => {
            format!("`{key}` is an option of one method; put it on the method")
        }
        Owner::Impl if of_function => {
            format!("`{key}` is an option of functions; an actor has none, leave it out")
        }
        _ => return None,
    };
    Some(words)
}

fn unknown(key: &Ident, owner: Owner) -> String {
    let word = key.to_string();
    let hint = match nearest(&word, keys(owner)) {
        Some(nearest) => format!("did you mean `{nearest}`? "),
        None => String::new(),
    };
    format!("there is no option `{word}`; {hint}{}", list(owner))
}

/// The key that was probably meant.
fn nearest(word: &str, keys: &[&'static str]) -> Option<&'static str> {
    let close = |key: &&str| {
        let part = word.len() >= 3 && (key.contains(word) || word.contains(*key));
        if part { 0 } else { distance(word, key) }
    };
    let likely = keys.iter().copied().min_by_key(close);
    likely.filter(|key| close(key) <= 1 + word.len() / 4)
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

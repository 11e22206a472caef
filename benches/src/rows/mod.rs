//! The rows, one file for each topic.

mod actors;
#[cfg(target_os = "linux")]
mod broadcast;
mod build;
mod bulk;
#[cfg(target_os = "linux")]
mod callee;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod death;
#[cfg(target_os = "linux")]
mod far;
#[cfg(target_os = "linux")]
mod join;
mod latency;
mod nested;
mod objects;
mod pi;
mod process;
#[cfg(target_os = "linux")]
mod share;
#[cfg(target_os = "linux")]
mod simulator;
#[cfg(target_os = "linux")]
mod skew;
mod sort;
mod streams;
mod waits;
#[cfg(target_os = "linux")]
mod wire;
pub(crate) mod wordcount;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(feature = "actor-peers")]
pub(crate) use process::resident_bytes;

use crate::bench::Row;
use crate::child::Errand;

/// All rows, in the order of the table.
pub(crate) const ALL: &[Row] = &[
    latency::ROW,
    bulk::ROW,
    nested::TREE,
    nested::CHAIN,
    actors::ROW,
    streams::ROW,
    waits::ROW,
    objects::PUT,
    objects::VIEW,
    objects::PASS,
    #[cfg(target_os = "linux")]
    share::ROW,
    #[cfg(target_os = "linux")]
    far::ROW,
    #[cfg(target_os = "linux")]
    callee::ROW,
    #[cfg(target_os = "linux")]
    wire::ROW,
    #[cfg(target_os = "linux")]
    broadcast::ROW,
    #[cfg(target_os = "linux")]
    skew::ROW,
    #[cfg(target_os = "linux")]
    join::ROW,
    #[cfg(target_os = "linux")]
    death::ROW,
    #[cfg(target_os = "linux")]
    simulator::ROW,
    #[cfg(target_os = "linux")]
    control::ROW,
    process::ROW,
    process::QUEUED,
    wordcount::ROW,
    pi::ROW,
    sort::ROW,
    build::ROW,
];

/// What is measured in a fresh process.
pub(crate) const ERRANDS: &[Errand] = &[
    ("process", process::errand),
    ("queued", process::queued_errand),
    ("view", objects::view_errand),
    ("memcpy", objects::memcpy_errand),
    #[cfg(target_os = "linux")]
    worker::NODE,
    #[cfg(target_os = "linux")]
    join::DRIVER,
    #[cfg(target_os = "linux")]
    crate::peers::quic::ECHO,
    #[cfg(target_os = "linux")]
    crate::peers::quic::SINK,
    #[cfg(target_os = "linux")]
    crate::peers::tcp::SINK,
    #[cfg(target_os = "linux")]
    crate::peers::tcp::TLS_SINK,
    #[cfg(target_os = "linux")]
    control::ECHO,
    bulk::RAYKIT_CHILD,
    bulk::TOKIO_CHILD,
    bulk::RAYON_CHILD,
    actors::CHILD,
    actors::MANY_CHILD,
    #[cfg(feature = "actor-peers")]
    crate::peers::actors::ERRANDS[0],
    #[cfg(feature = "actor-peers")]
    crate::peers::actors::ERRANDS[1],
    #[cfg(feature = "actor-peers")]
    crate::peers::actors::ERRANDS[2],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_begin_with_the_name_of_their_row() {
        for row in ALL {
            let fits = |key: &str| key.strip_prefix(row.name).is_some_and(|k| k.starts_with('.'));
            assert!(row.lines.iter().all(|line| fits(line.key)), "{}", row.name);
        }
    }
}

//! The counters of nodes as Prometheus reads them.

use super::report::{FunctionState, NodeState};
use std::fmt::Write as _;

/// One name, and what stands under it.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// Labels beside the node's, and the value.
    rows: fn(&NodeState) -> Vec<(Labels, f64)>,
}

type Labels = Vec<(&'static str, String)>;

fn one(value: u64) -> Vec<(Labels, f64)> {
    vec![(Vec::new(), value as f64)]
}

fn by(label: &'static str, rows: &[(&str, u64)]) -> Vec<(Labels, f64)> {
    rows.iter().map(|(word, n)| (vec![(label, (*word).to_owned())], *n as f64)).collect()
}

fn resources(all: &std::collections::BTreeMap<String, f64>) -> Vec<(Labels, f64)> {
    all.iter().map(|(name, n)| (vec![("resource", name.clone())], *n)).collect()
}

const METRICS: [Metric; 13] = [
    Metric {
        name: "raykit_node_info",
        kind: "gauge",
        help: "What the node is; always 1.",
        rows: |node| {
            let kind = match (node.is_head, node.is_driver) {
                (true, _) => "head",
                (_, true) => "driver",
                _ => "worker",
            };
            let version = env!("CARGO_PKG_VERSION");
            let labels = vec![
                ("name", node.name.clone()),
                ("kind", kind.to_owned()),
                ("version", version.to_owned()),
            ];
            vec![(labels, 1.0)]
        },
    },
    Metric {
        name: "raykit_node_uptime_seconds",
        kind: "gauge",
        help: "How long the node has been there.",
        rows: |node| vec![(Vec::new(), node.uptime_ms as f64 / 1e3)],
    },
    Metric {
        name: "raykit_tasks_submitted_total",
        kind: "counter",
        help: "Calls that were made on the node, and calls of others that came to it.",
        rows: |node| one(node.tasks_submitted),
    },
    Metric {
        name: "raykit_tasks_finished_total",
        kind: "counter",
        help: "Tasks that ran on the node and ended well.",
        rows: |node| one(node.tasks_finished),
    },
    Metric {
        name: "raykit_tasks_failed_total",
        kind: "counter",
        help: "Tasks of the node that ended in an error.",
        rows: |node| one(node.tasks_failed),
    },
    Metric {
        name: "raykit_tasks",
        kind: "gauge",
        help: "Tasks that are not done, by state.",
        rows: |node| {
            let (running, queued) = (node.tasks_running, node.tasks_queued);
            by(
                "state",
                &[("running", running), ("queued", queued), ("waiting", node.tasks_waiting)],
            )
        },
    },
    Metric {
        name: "raykit_actors",
        kind: "gauge",
        help: "Actors that have not ended.",
        rows: |node| one(node.actors),
    },
    Metric {
        name: "raykit_objects",
        kind: "gauge",
        help: "Objects that exist, as values or as promises.",
        rows: |node| one(node.objects),
    },
    Metric {
        name: "raykit_object_bytes",
        kind: "gauge",
        help: "Bytes that objects take.",
        rows: |node| one(node.object_bytes),
    },
    Metric {
        name: "raykit_threads",
        kind: "gauge",
        help: "Threads of the pool.",
        rows: |node| one(node.threads),
    },
    Metric {
        name: "raykit_threads_waiting",
        kind: "gauge",
        help: "Of these, the ones whose task waits for an object.",
        rows: |node| one(node.threads_waiting),
    },
    Metric {
        name: "raykit_resource_capacity",
        kind: "gauge",
        help: "What the node has in all; memory in bytes.",
        rows: |node| resources(&node.resources_total),
    },
    Metric {
        name: "raykit_resource_free",
        kind: "gauge",
        help: "What of it no task and no actor holds.",
        rows: |node| resources(&node.resources_free),
    },
];

/// What nodes have counted, in the text format of Prometheus.
pub(crate) fn text(nodes: &[NodeState], functions: &[FunctionState]) -> String {
    let mut out = String::new();
    for metric in METRICS {
        head(&mut out, metric.name, metric.kind, metric.help);
        for node in nodes {
            let own = ("node", node.node_id.to_string());
            for (labels, value) in (metric.rows)(node) {
                line(&mut out, metric.name, std::iter::once(own.clone()).chain(labels), value);
            }
        }
    }
    let calls = "raykit_function_calls_total";
    head(&mut out, calls, "counter", "Calls that have ended, by function and outcome.");
    for row in functions {
        for (outcome, count) in [("finished", row.finished), ("failed", row.failed)] {
            for node in row.nodes.iter().filter(|_| count > 0) {
                let labels = [
                    ("node", node.to_string()),
                    ("function", row.key.clone()),
                    ("outcome", outcome.to_owned()),
                ];
                line(&mut out, calls, labels, count as f64);
            }
        }
    }
    out
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(
    out: &mut String,
    name: &str,
    labels: impl IntoIterator<Item = (&'static str, String)>,
    value: f64,
) {
    let labels = labels.into_iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(&value)));
    let _ = writeln!(out, "{name}{{{}}} {value}", labels.collect::<Vec<_>>().join(","));
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }
}

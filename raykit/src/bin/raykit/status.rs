//! `raykit status`: the cluster in numbers.

use super::args::Asked;
use super::table::{Table, amount, bytes};
use super::{Done, one_line, print, print_json, with_silent};
use raykit::state::{self, Summary};
use std::fmt::Write as _;

pub(crate) fn show(asked: &Asked<'_>) -> Done {
    let mut summary = state::summary_timeout(asked.wait)?;
    let own = raykit::context().node_id();
    summary.nodes.retain(|node| Some(node.node_id) != own);
    match asked.json {
        true => print_json(&summary)?,
        false => print(&text(&summary))?,
    }
    Ok(with_silent(&summary.silent))
}

fn text(summary: &Summary) -> String {
    let drivers = summary.nodes.iter().filter(|node| node.is_driver).count();
    let mut text = String::new();
    let line = |text: &mut String, what: &str, value: String| {
        let _ = writeln!(text, "{what:<10} {value}");
    };
    line(&mut text, "nodes", {
        let others = summary.nodes.len() - drivers;
        format!("{others}, and {drivers} drivers")
    });
    for (name, total) in &summary.resources_total {
        if *total == 0.0 {
            continue;
        }
        let used = total - summary.resources_free.get(name).copied().unwrap_or(0.0);
        let show = if name == "memory" { bytes } else { amount };
        line(&mut text, &one_line(name), format!("{} of {} in use", show(used), show(*total)));
    }
    let sum = |of: fn(&state::NodeState) -> u64| summary.nodes.iter().map(of).sum::<u64>();
    line(&mut text, "tasks", {
        let (running, queued) = (sum(|node| node.tasks_running), sum(|node| node.tasks_queued));
        let (waiting, done) = (sum(|node| node.tasks_waiting), sum(|node| node.tasks_finished));
        let failed = sum(|node| node.tasks_failed);
        format!(
            "{running} running, {queued} queued, {waiting} waiting for arguments, {done} done, \
             {failed} failed"
        )
    });
    line(&mut text, "actors", sum(|node| node.actors).to_string());
    line(&mut text, "objects", {
        let taken = sum(|node| node.object_bytes);
        format!("{}, {}", sum(|node| node.objects), bytes(taken as f64))
    });
    for (title, rows) in [("TASKS", &summary.tasks), ("ACTORS", &summary.actors)] {
        if rows.is_empty() {
            continue;
        }
        let mut table = Table::new(&[title, "STATE", "COUNT"]);
        for (name, states) in rows {
            for (state, count) in states {
                table.add([name.clone(), state.clone(), count.to_string()]);
            }
        }
        let _ = write!(text, "\n{}", table.text());
    }
    if summary.truncated {
        text.push_str("\nthere are more of these than were counted\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_is_told_and_names_stay_in_their_line() {
        let _ray = raykit::Config::new().num_cpus(1).init().unwrap();
        let mut summary = state::summary().unwrap();
        let lines = text(&summary).lines().count();
        summary.resources_total.insert("odd\nname".to_owned(), 1.0);
        assert!(text(&summary).contains("\nodd name   1 of 1 in use\n"), "{}", text(&summary));
        assert_eq!(text(&summary).lines().count(), lines + 1);
        summary.truncated = true;
        assert!(text(&summary).ends_with("\nthere are more of these than were counted\n"));
    }
}

//! `raykit token issue|list|revoke|rotate`.

use super::args::{Asked, Span};
use super::table::{Table, span};
use super::{Done, print, print_json};
use clap::ArgMatches;
use raykit::token::{self, NewToken, TokenRole, TokenState};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) fn act(asked: &Asked<'_>) -> Done {
    let Some((what, own)) = asked.own.subcommand() else { return Ok(ExitCode::from(2)) };
    let tokens = token::within(asked.wait);
    let id = || own.get_one::<String>("id").cloned().unwrap_or_default();
    match what {
        "issue" => {
            let role = match own.get_one::<String>("role").map(String::as_str) {
                Some("admin") => TokenRole::Admin,
                Some("client") => TokenRole::Client,
                _ => TokenRole::Node,
            };
            let made = tokens.issue(role, ttl(own), own.get_one::<u32>("uses").copied())?;
            new(asked, &made)?;
        }
        "rotate" => new(asked, &tokens.rotate(&id(), ttl(own))?)?,
        "revoke" => {
            tokens.revoke(&id())?;
            match asked.json {
                true => print_json(&serde_json::json!({ "revoked": id() }))?,
                false => print(&format!("{} is revoked\n", id()))?,
            }
        }
        _ => {
            let all = tokens.list()?;
            match asked.json {
                true => print_json(&all)?,
                false => print(&table(&all).text())?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ttl(own: &ArgMatches) -> Option<Duration> {
    own.get_one::<Span>("ttl").and_then(|span| span.0)
}

fn new(asked: &Asked<'_>, made: &NewToken) -> Result<(), raykit::Error> {
    if asked.json {
        return print_json(made);
    }
    eprintln!("raykit: token {}; whoever sees the next line may join", made.id);
    print(&format!("{}\n", made.token))
}

fn table(all: &[TokenState]) -> Table {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut table = Table::new(&["TOKEN", "ROLE", "STATE", "EXPIRES IN", "USES", "OF"]);
    for row in all {
        let state = match (row.revoked, row.is_good()) {
            (true, _) => "revoked",
            (_, true) => "good",
            _ => "over",
        };
        let left = row.expires_s.map(|at| span(at.saturating_sub(now).saturating_mul(1000)));
        table.add([
            row.id.clone(),
            row.role.clone(),
            state.to_owned(),
            left.unwrap_or_else(|| "-".to_owned()),
            row.uses.to_string(),
            row.uses_max.map_or_else(|| "-".to_owned(), |most| most.to_string()),
        ]);
    }
    table
}

//! What stands on the command line.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use std::time::Duration;

const AFTER: &str = "\
The command joins the cluster as a driver that gives no CPUs, asks, and leaves.

Which cluster: --address, else RAYKIT_ADDRESS, else 127.0.0.1:7000.
Which token:   --token-file, else RAYKIT_TOKEN or RAYKIT_TOKEN_FILE, else that of the user's own head
               on this host; `raykit token` takes the one that the head leaves for its administrator.

Exit codes: 0 done, 1 failed, 2 a command line without a meaning, 3 some nodes have not answered.";

/// The global flags and the command, read.
pub(crate) struct Asked<'a> {
    pub(crate) address: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) json: bool,
    pub(crate) wait: Duration,
    pub(crate) command: &'a str,
    pub(crate) own: &'a ArgMatches,
}

impl Asked<'_> {
    pub(crate) fn of(matches: &ArgMatches) -> Asked<'_> {
        let (command, own) = matches.subcommand().unwrap_or(("status", matches));
        let variable = std::env::var("RAYKIT_ADDRESS").ok().filter(|text| !text.is_empty());
        let said = own.get_one::<String>("address").cloned();
        Asked {
            address: said.or(variable).unwrap_or_else(|| super::ADDRESS.to_owned()),
            token_file: own.get_one::<PathBuf>("token-file").cloned(),
            json: own.get_flag("json"),
            wait: Duration::from_secs(own.get_one::<u64>("timeout").copied().unwrap_or(30)),
            command,
            own,
        }
    }

    /// A word that was given for an argument.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.own.try_get_one::<String>(name).ok().flatten().map(String::as_str)
    }
}

fn globals() -> [Arg; 4] {
    [
        Arg::new("address")
            .long("address")
            .value_name("HOST:PORT")
            .global(true)
            .help("Where the head of the cluster listens"),
        Arg::new("token-file")
            .long("token-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .help("The token to join with"),
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .global(true)
            .help("Writes JSON, for machines"),
        Arg::new("timeout")
            .long("timeout")
            .value_name("SECONDS")
            .value_parser(value_parser!(u64))
            .default_value("30")
            .global(true)
            .help("How long nodes have for their answers"),
    ]
}

fn node() -> Arg {
    Arg::new("node").long("node").value_name("NODE").help("Only this node: its id or its name")
}

fn listing(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).args([
        Arg::new("state").long("state").value_name("STATE").help("Only those in this state"),
        Arg::new("name").long("name").value_name("NAME").help("Only those of this name"),
        node(),
        Arg::new("limit")
            .long("limit")
            .value_name("ROWS")
            .value_parser(value_parser!(u32))
            .default_value("10000")
            .help("Rows at the most"),
    ])
}

fn ttl() -> Arg {
    Arg::new("ttl")
        .long("ttl")
        .value_name("TIME")
        .default_value("24h")
        .value_parser(time)
        .help("How long it is good: such as 90s, 30m, 24h, 7d, or `never-ends`")
}

/// A span of time; `None` has no end.
fn time(text: &str) -> Result<Span, String> {
    if text == "never-ends" {
        return Ok(Span(None));
    }
    let wrong = || format!("`{text}` is no time such as 90s, 30m, 24h or 7d");
    let cut = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..cut].parse().map_err(|_| wrong())?;
    let unit = match &text[cut..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    Ok(Span(Some(Duration::from_secs(seconds))))
}

/// What `time` reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span(pub(crate) Option<Duration>);

fn tokens() -> Command {
    let id = || Arg::new("id").value_name("ID").required(true).help("As `token list` shows it");
    Command::new("token")
        .about("Makes, lists, revokes and replaces the tokens that processes join with")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("issue").about("Makes a token, and shows it this once").args([
                Arg::new("role")
                    .long("role")
                    .default_value("node")
                    .value_parser(["node", "client", "admin"])
                    .help("What its holder may be: a node, a driver alone, or an administrator"),
                ttl(),
                Arg::new("uses")
                    .long("uses")
                    .value_name("N")
                    .value_parser(value_parser!(u32))
                    .help("How many may join with it [default: any number]"),
            ]),
        )
        .subcommand(Command::new("list").about("Lists the tokens"))
        .subcommand(Command::new("revoke").about("Nobody joins with it any more").arg(id()))
        .subcommand(
            Command::new("rotate")
                .about("Makes a token in the place of another, which is revoked")
                .args([id(), ttl()]),
        )
}

/// The whole command line.
pub(crate) fn command() -> Command {
    Command::new("raykit")
        .about("Looks at a running raykit cluster, and sees to its tokens")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(globals())
        .subcommands([
            Command::new("status").about("What the cluster has and does, in numbers"),
            listing("nodes", "The nodes"),
            listing("tasks", "The tasks that wait or run, and those that failed of late"),
            listing("actors", "The actors, and those that ended of late"),
            listing("objects", "The large objects, and those that several nodes know"),
            listing("functions", "The remote functions, with what became of their calls"),
            Command::new("metrics")
                .about("What the nodes have counted, for Prometheus")
                .arg(node()),
            Command::new("logs")
                .about("What a node has printed that was started as a worker")
                .args([
                    Arg::new("of").value_name("NODE").required(true).help("Its id or its name"),
                    Arg::new("tail")
                        .long("tail")
                        .value_name("LINES")
                        .value_parser(value_parser!(u32))
                        .default_value("1000")
                        .help("The last lines, so many"),
                    Arg::new("follow")
                        .long("follow")
                        .short('f')
                        .action(ArgAction::SetTrue)
                        .help("Goes on with what is printed from now on"),
                ]),
            tokens(),
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn times_are_read() {
        let seconds = |n| Ok(Span(Some(Duration::from_secs(n))));
        assert_eq!(time("90s"), seconds(90));
        assert_eq!(time("7d"), seconds(7 * 86_400));
        assert_eq!(time("never-ends"), Ok(Span(None)));
        for wrong in ["", "90", "h", "1w", "-1h", "99999999999999999999s", "9999999999999999999d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}

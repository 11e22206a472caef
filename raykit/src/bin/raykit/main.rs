//! The command `raykit`: looks at a running cluster, and sees to its tokens.

mod args;
mod list;
mod status;
mod table;
mod tokens;

use args::Asked;
use raykit::state::plain;
use raykit::{Config, Error, ErrorKind};
use std::io::Write;
use std::process::ExitCode;

/// Where a head listens that says nothing else.
const ADDRESS: &str = "127.0.0.1:7000";

/// All that went well, but some nodes have not answered.
const PARTLY: u8 = 3;

/// What a command ends with.
type Done = Result<ExitCode, Error>;

fn main() -> ExitCode {
    let matches = args::command().get_matches();
    let asked = Asked::of(&matches);
    match run(&asked) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("raykit: {}", told(&error, &asked));
            ExitCode::FAILURE
        }
    }
}

fn run(asked: &Asked<'_>) -> Done {
    let mut config = Config::new()
        .address(&asked.address)
        .name("raykit-cli")
        .num_cpus(0)
        .num_gpus(0.0)
        .memory(0)
        // What tasks of others print is not what was asked for.
        .log_to_driver(false)
        .grace(std::time::Duration::from_secs(1));
    if let Some(file) = &asked.token_file {
        config = config.token_file(file);
    } else if asked.command == "token"
        && !["RAYKIT_TOKEN", "RAYKIT_TOKEN_FILE"].into_iter().any(is_set)
        && let Some(admin) = raykit::token::admin_file(&asked.address)
    {
        config = config.token_file(admin);
    }
    let guard = config.init()?;
    let done = match asked.command {
        "status" => status::show(asked),
        "metrics" => metrics(asked),
        "logs" => logs(asked),
        "token" => tokens::act(asked),
        kind => list::show(kind, asked),
    };
    drop(guard);
    done
}

/// As the library sees it: an empty variable is none.
fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| !value.is_empty())
}

fn metrics(asked: &Asked<'_>) -> Done {
    let only = asked.word("node").map(list::node_named).transpose()?;
    let mut metrics = raykit::state::metrics_timeout(only, asked.wait)?;
    let own = raykit::context().node_id().map(|own| format!("{{node=\"{own}\""));
    if let Some(own) = own {
        let others = metrics.text.lines().filter(|line| !line.contains(&own));
        metrics.text = others.flat_map(|line| [line, "\n"]).collect();
    }
    match asked.json {
        true => print_json(&metrics)?,
        false => print(&metrics.text)?,
    }
    if metrics.truncated {
        eprintln!("raykit: there are more functions than these");
    }
    Ok(with_silent(&metrics.silent))
}

/// How often a log that is followed is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_millis(300);

fn logs(asked: &Asked<'_>) -> Done {
    let node = list::node_named(asked.word("of").unwrap_or_default())?;
    let lines = asked.own.get_one::<u32>("tail").copied().unwrap_or(1_000);
    let mut log = raykit::state::log(node).tail(lines).timeout(asked.wait).get()?;
    loop {
        match asked.json {
            true if log.text.is_empty() => {}
            true => print_json(&log)?,
            false => print(&log.text)?,
        }
        if !asked.own.get_flag("follow") {
            return Ok(ExitCode::SUCCESS);
        }
        if log.next == log.end {
            std::thread::park_timeout(LOOK);
        }
        log = raykit::state::log(node).from(log.next).timeout(asked.wait).get()?;
    }
}

/// The error in one line, with what to do about it.
fn told(error: &Error, asked: &Asked<'_>) -> String {
    let what = one_line(error.message());
    let advice = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::Io => format!(
            "; is a head running at {}? `--address HOST:PORT` or RAYKIT_ADDRESS names another",
            asked.address
        ),
        _ => String::new(),
    };
    format!("{what}{advice}")
}

/// What a node has said, in one line, and nothing in it that a terminal would obey.
fn one_line(text: &str) -> String {
    plain(&text.replace('\n', " "))
}

/// Writes to the standard output what people read: nothing that a terminal would obey.
fn print(text: &str) -> Result<(), Error> {
    write(&plain(text))
}

/// Who does not read to the end is no error.
fn write(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

/// Writes a value for machines.
fn print_json<T: serde::Serialize>(value: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    write(&format!("{}\n", escaped(&text)))
}

/// JSON in which those control characters are escaped too that it allows in texts.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c.is_control() && !c.is_ascii_whitespace() {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// Names those that have not answered, and says so in the exit code.
fn with_silent(silent: &[raykit::state::Silent]) -> ExitCode {
    for one in silent {
        eprintln!(
            "raykit: {} has not answered, its part is missing: {}",
            one.node_id,
            one_line(&one.why)
        );
    }
    if silent.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PARTLY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_a_terminal_obeys_none_of_it() {
        let text = "\u{1b}[2J\u{7f}\u{9b}ü\n";
        let json = escaped(&serde_json::to_string_pretty(&[text]).unwrap());
        assert!(json.chars().all(|c| c == '\n' || !c.is_control()), "{json:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [text]);
        assert_eq!(one_line("a\nb\u{1b}c"), "a bc");
    }
}

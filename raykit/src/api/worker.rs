//! A program as a node: `worker`, and its flags.

use super::init::Config;
use super::say::say;
use super::tokens;
use crate::logs::{self, Logs};
use crate::node::cluster::OnRoad;
use crate::node::courier::Courier;
use crate::node::current;
use crate::node::keyring::write_token;
use crate::node::keys::KeyOrder;
use crate::object::error::{Error, ErrorKind, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// The port of a head that says nothing else.
const PORT: u16 = 7000;
/// How long the token that a head shows is good.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

/// What a node is told on the command line. To be used as clap's `Args`: flattened into a command
/// of one's own, or parsed by [`worker`].
#[derive(Clone, Debug, Default)]
pub struct NodeArgs {
    head: bool,
    listen: Option<SocketAddr>,
    join: Option<String>,
    token_file: Option<PathBuf>,
    keep: Option<PathBuf>,
    num_cpus: Option<usize>,
    num_gpus: Option<f64>,
    memory: Option<u64>,
    object_memory: Option<u64>,
    metrics: Option<SocketAddr>,
    resources: Vec<(String, f64)>,
    labels: Vec<(String, String)>,
    name: Option<String>,
}

fn pair<T: std::str::FromStr>(text: &str) -> std::result::Result<(String, T), String> {
    let parts = text.split_once('=').and_then(|(key, value)| Some((key, value.parse().ok()?)));
    parts.map(|(key, value)| (key.to_owned(), value)).ok_or_else(|| "write `name=value`".to_owned())
}

/// A port on this host alone, or a whole address.
fn metrics_address(text: &str) -> std::result::Result<SocketAddr, String> {
    let port = text.parse::<u16>().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    port.or_else(|_| text.parse()).map_err(|_| "write a port, or `IP:PORT`".to_owned())
}

fn resource(text: &str) -> std::result::Result<(String, f64), String> {
    pair(text)
}

fn label(text: &str) -> std::result::Result<(String, String), String> {
    pair(text)
}

fn flags() -> [Arg; 13] {
    [
        Arg::new("head")
            .long("head")
            .action(ArgAction::SetTrue)
            .conflicts_with("join")
            .help("Found a cluster that others join"),
        Arg::new("listen")
            .long("listen")
            .value_name("ADDRESS")
            .requires("head")
            .value_parser(value_parser!(SocketAddr))
            .help("Where the head is reached [default: 127.0.0.1:7000, this host alone]"),
        Arg::new("join")
            .long("join")
            .value_name("HOST:PORT")
            .help("Join the cluster whose head is there"),
        Arg::new("token-file")
            .long("token-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The token to join with; else RAYKIT_TOKEN, or the user's own head on this host"),
        Arg::new("keep")
            .long("keep")
            .value_name("FOLDER")
            .requires("head")
            .value_parser(value_parser!(PathBuf))
            .help("Where a head keeps its keys, so that tokens outlive it"),
        Arg::new("num-cpus")
            .long("num-cpus")
            .value_name("N")
            .value_parser(value_parser!(usize))
            .help("CPUs to give [default: all]"),
        Arg::new("num-gpus")
            .long("num-gpus")
            .value_name("N")
            .value_parser(value_parser!(f64))
            .help("GPUs to give [default: 0]"),
        Arg::new("memory")
            .long("memory")
            .value_name("BYTES")
            .value_parser(value_parser!(u64))
            .help("Memory that tasks may reserve [default: all]"),
        Arg::new("object-memory")
            .long("object-memory")
            .value_name("BYTES")
            .value_parser(value_parser!(u64))
            .help("Memory for objects that processes of this host share"),
        Arg::new("metrics")
            .long("metrics")
            .value_name("ADDRESS")
            .value_parser(metrics_address)
            .help("Where `GET /metrics` is answered: a port of this host alone, or an address"),
        Arg::new("resources")
            .long("resources")
            .value_name("NAME=AMOUNT")
            .value_delimiter(',')
            .value_parser(resource)
            .help("Further resources to give"),
        Arg::new("labels")
            .long("labels")
            .value_name("KEY=VALUE")
            .value_delimiter(',')
            .value_parser(label)
            .help("What others can know the node by"),
        Arg::new("name").long("name").value_name("NAME").help("What others call the node"),
    ]
}

impl clap::FromArgMatches for NodeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut args = NodeArgs::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        let list = |name| matches.get_many(name).into_iter().flatten().cloned().collect();
        *self = NodeArgs {
            head: matches.get_flag("head"),
            listen: matches.get_one("listen").copied(),
            join: matches.get_one("join").cloned(),
            token_file: matches.get_one("token-file").cloned(),
            keep: matches.get_one("keep").cloned(),
            num_cpus: matches.get_one("num-cpus").copied(),
            num_gpus: matches.get_one("num-gpus").copied(),
            memory: matches.get_one("memory").copied(),
            object_memory: matches.get_one("object-memory").copied(),
            metrics: matches.get_one("metrics").copied(),
            resources: list("resources"),
            labels: matches.get_many("labels").into_iter().flatten().cloned().collect(),
            name: matches.get_one("name").cloned(),
        };
        Ok(())
    }
}

impl clap::Args for NodeArgs {
    fn augment_args(command: Command) -> Command {
        command.args(flags())
    }
    fn augment_args_for_update(command: Command) -> Command {
        command.args(flags())
    }
}

impl NodeArgs {
    /// The settings that the flags say.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] where neither a head nor an address to join is given.
    pub fn config(self) -> Result<Config> {
        let mut config = Config::new();
        let listen = self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], PORT)));
        config = match (self.head, self.join) {
            (true, _) => config.head(listen),
            (false, Some(head)) => config.address(head),
            (false, None) => match std::env::var("RAYKIT_ADDRESS") {
                Ok(head) if !head.is_empty() => config.address(head),
                _ => {
                    let text = "say `--head`, or `--join HOST:PORT`";
                    return Err(Error::new(ErrorKind::Config, text));
                }
            },
        };
        if let Some(file) = self.token_file {
            config = config.token_file(file);
        }
        if let Some(folder) = self.keep {
            config = config.keep(folder);
        }
        if let Some(n) = self.num_cpus {
            config = config.num_cpus(n);
        }
        if let Some(n) = self.num_gpus {
            config = config.num_gpus(n);
        }
        if let Some(bytes) = self.memory {
            config = config.memory(bytes);
        }
        if let Some(bytes) = self.object_memory {
            config = config.object_memory(bytes);
        }
        if let Some(address) = self.metrics {
            config = config.metrics(address);
        }
        for (name, amount) in self.resources {
            config = config.resource(name, amount);
        }
        for (key, value) in self.labels {
            config = config.label(key, value);
        }
        if let Some(name) = self.name {
            config = config.name(name);
        }
        Ok(config)
    }

    /// Is a node until it is told to go (SIGTERM, SIGINT) or has no cluster any more.
    ///
    /// # Errors
    ///
    /// As [`worker`].
    pub fn run(self) -> Result<()> {
        let head = self.head;
        let (tell, told) = mpsc::channel();
        // Before others know of the node, who may have it told to go.
        listens(tell.clone());
        // Before the node, so that what it says is kept; and closed after it.
        let kept = Kept(keep());
        let guard = self.config()?.worker().init()?;
        let mut left = if head { Some(show()?) } else { None };
        let courier = match &kept.0 {
            Some(logs) => Some(Courier::start(&current::node()?, logs)?),
            None => None,
        };
        let why = wait(tell, &told, left.as_mut());
        drop(left);
        if let (Why::Told, Ok(node)) = (&why, current::node())
            && let Some(cluster) = node.cluster.get().filter(|_| !head)
        {
            cluster.drain(node.config.grace);
        }
        drop(courier);
        let closed = guard.shutdown();
        match why {
            Why::Told => closed,
            Why::Lost(error) => Err(error),
        }
    }
}

/// Is a node of a cluster, for a program that has no `main` of its own: reads [`NodeArgs`] from the
/// command line, and returns when the node has ended.
///
/// ```no_run
/// // src/bin/worker.rs of a crate with remote functions: `use my_crate as _;` links them in.
/// fn main() -> raykit::Result<()> {
///     raykit::worker()
/// }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Refused`] when the head does not let it in, [`ErrorKind::Io`] when the head cannot
/// be reached, [`ErrorKind::ClusterLost`] when it had a cluster and has none any more.
pub fn worker() -> Result<()> {
    parse("", std::env::args_os().collect()).run()
}

/// The flags in a command line. `under` is the word that came before them, if one did. Asked for
/// help, or told nonsense, it says so and ends the process.
pub(super) fn parse(under: &str, words: Vec<OsString>) -> NodeArgs {
    use clap::{Args as _, FromArgMatches as _};
    let program = words.first().map(PathBuf::from);
    let program = program.as_deref().and_then(|path| path.file_name()?.to_str());
    let name = format!("{} {under}", program.unwrap_or("worker"));
    let command = NodeArgs::augment_args(Command::new("worker").bin_name(name.trim_end()))
        .about("A node of a raykit cluster: the head, or one that joins it");
    let matches = command.get_matches_from(words);
    NodeArgs::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// What this process prints, kept until the node has ended.
struct Kept(Option<Arc<Logs>>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.iter().for_each(|logs| logs.close());
    }
}

/// Keeps what this process prints. Where that cannot be done it prints as ever.
fn keep() -> Option<Arc<Logs>> {
    match logs::keep(&tokens::log_home()) {
        Ok(kept) => kept,
        Err(error) => {
            eprintln!("raykit: what this node prints is not kept: {error}");
            None
        }
    }
}

/// What a head leaves in files for its user's other processes on its host: a token to join with,
/// and one for an administrator. They are made anew now and then, and end with this.
struct Left {
    road: Arc<dyn OnRoad>,
    ids: Vec<String>,
}

impl Left {
    fn places(&self) -> [(&'static str, PathBuf); 2] {
        let port = self.road.address().port().to_string();
        [("node", tokens::place(&port)), ("admin", tokens::admin_place(&port))]
    }

    /// Makes new ones in the place of the old. The one to join with.
    fn renew(&mut self) -> Result<String> {
        let mut shown = String::new();
        for (role, place) in self.places() {
            let (role, ttl_s) = (role.to_owned(), Some(TOKEN_TTL.as_secs()));
            let made = self.road.keys(&KeyOrder::Issue { role, ttl_s, uses: None })?;
            let (id, token) = made.token.unwrap_or_default();
            self.ids.push(id);
            write_token(&place, &token)?;
            if shown.is_empty() {
                shown = token;
            }
        }
        Ok(shown)
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        for (_, place) in self.places() {
            let _ = std::fs::remove_file(place);
        }
        for id in self.ids.drain(..) {
            let _ = self.road.keys(&KeyOrder::Revoke(id)); // the road may be closed already
        }
    }
}

/// Says how others can join this head.
fn show() -> Result<Left> {
    let node = current::node()?;
    let road = node.cluster.get().and_then(|cluster| cluster.road().cloned());
    let road = road.ok_or_else(|| Error::new(ErrorKind::NotRunning, "the head is not there"))?;
    let address = road.address();
    let mut left = Left { road, ids: Vec::new() };
    let token = left.renew()?;
    say(false, format_args!("the head {} listens at {address}", node.id));
    if address.ip().is_loopback() {
        say(false, format_args!("join it from this host:  --join {address}"));
    } else {
        let text = format!("join it with:  RAYKIT_TOKEN={token}  --join {address}");
        match logs::logs() {
            // Whoever is in the cluster reads what a node has printed.
            Some(logs) => logs.say_here(&text),
            None => println!("{text}"),
        }
        say(
            false,
            format_args!("(from this host and user without the token; it is good for 24 hours)"),
        );
    }
    Ok(left)
}

/// Why a node ends.
enum Why {
    Told,
    Lost(Error),
}

/// Has a signal to go told. The second one ends the process at once, as does one that nobody waits
/// for any more.
fn listens(tell: mpsc::Sender<Why>) {
    let signals = std::thread::Builder::new().name("raykit-signals".to_owned());
    if let Err(error) = signals.spawn(move || listen(&tell)) {
        tracing::warn!(%error, "signals end the process at once");
    }
}

/// Waits until the node is told to go, or has lost its cluster.
fn wait(tell: mpsc::Sender<Why>, told: &mpsc::Receiver<Why>, mut left: Option<&mut Left>) -> Why {
    if let Ok(node) = current::node()
        && let Some(cluster) = node.cluster.get()
    {
        cluster.when_lost(move |error| drop(tell.send(Why::Lost(error.clone()))));
    }
    loop {
        match told.recv_timeout(TOKEN_TTL / 2) {
            Ok(why) => return why,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Why::Told,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let renewed = left.as_mut().map(|left| left.renew());
                if let Some(Err(error)) = renewed {
                    tracing::warn!(%error, "the tokens in the user's files will expire");
                }
            }
        }
    }
}

fn listen(tell: &mpsc::Sender<Why>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        signal().await;
        if tell.send(Why::Told).is_ok() {
            signal().await;
        }
        std::process::exit(1);
    });
}

/// Waits for a signal to go.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut end), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        let mut ended = Box::pin(end.recv());
        let mut interrupted = Box::pin(interrupt.recv());
        std::future::poll_fn(|cx| {
            let ended = ended.as_mut().poll(cx).is_ready();
            match ended || interrupted.as_mut().poll(cx).is_ready() {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
}

//! The tokens of a cluster: what the head does with them, for itself and for an administrator.

use super::tokens;
use crate::base::limits::KEYS_WAIT_MS;
use crate::node::keys::{KeyOrder, Keys, Reply};
use crate::node::settings::Part;
use crate::node::{current, survey};
use crate::object::error::{Error, ErrorKind, Result};
use crate::proto::wire::{Reader, Wire};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What a token lets its holder be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenRole {
    /// A node that runs others' tasks, or a driver.
    Node,
    /// A driver alone.
    Client,
    /// A driver that sees to tokens as well.
    Admin,
}

impl TokenRole {
    fn as_str(self) -> &'static str {
        match self {
            TokenRole::Node => "node",
            TokenRole::Client => "client",
            TokenRole::Admin => "admin",
        }
    }
}

/// What the head knows of a token. It does not know the token itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TokenState {
    /// Names it; no secret.
    pub id: String,
    /// What it lets its holder be.
    pub role: String,
    /// Until when it is good, in seconds since 1970; always, if this is `None`.
    pub expires_s: Option<u64>,
    /// How many have joined with it.
    pub uses: u32,
    /// How many may.
    pub uses_max: Option<u32>,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl TokenState {
    /// Whether somebody could join with it now.
    pub fn is_good(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        !self.revoked
            && self.expires_s.is_none_or(|at| now < at)
            && self.uses_max.is_none_or(|most| self.uses < most)
    }
}

/// A new token.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NewToken {
    /// Names it; no secret.
    pub id: String,
    /// The token: whoever sees it may join.
    pub token: String,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewToken({}, ..)", self.id)
    }
}

/// The file in which a head that was started as `worker --head` on this host leaves a token for its
/// user, as an administrator. `address` is where that head listens; `None` if that is no address of
/// this host, or there is no such file.
pub fn admin_file(address: &str) -> Option<PathBuf> {
    let place = tokens::admin_place(tokens::port(address));
    (place.exists() && tokens::is_of_this_host(address)).then_some(place)
}

/// What can be done with tokens, where the head has a time of one's own for its answer; see
/// [`within`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is asked of the head yet"]
pub struct Tokens {
    wait: Duration,
}

/// The functions of this module with another time limit; the head has 10 seconds for its answer
/// unless said otherwise. It may have done by then what it was asked for.
///
/// ```no_run
/// use raykit::token;
///
/// # fn main() -> raykit::Result<()> {
/// # let _ray = raykit::Config::new().address("127.0.0.1:7000").init()?;
/// let known = token::within(std::time::Duration::from_secs(60)).list()?;
/// # Ok(())
/// # }
/// ```
pub fn within(wait: Duration) -> Tokens {
    Tokens { wait }
}

fn usual() -> Tokens {
    within(Duration::from_millis(KEYS_WAIT_MS))
}

impl Tokens {
    fn order(self, order: &KeyOrder) -> Result<Keys> {
        let node = current::node()?;
        let alone = || Error::new(ErrorKind::Refused, "the node in force is in no cluster");
        let cluster = node.cluster.get().ok_or_else(alone)?;
        if matches!(node.config.part, Part::Head { .. }) {
            let road = cluster.road().ok_or_else(alone)?;
            return road.keys(order);
        }
        let bytes = survey::ask_one(cluster, cluster.head(), order.request(), self.wait)?;
        match Reply::take(&mut Reader::new(&bytes)) {
            Some(Reply::Done(keys)) => Ok(keys),
            Some(Reply::Refused(why)) => Err(Error::new(ErrorKind::Refused, why)),
            None => Err(Error::new(ErrorKind::Encoding, "the head's answer cannot be read")),
        }
    }

    /// As the function [`issue`].
    ///
    /// # Errors
    ///
    /// As [`list`].
    pub fn issue(
        self,
        role: TokenRole,
        ttl: Option<Duration>,
        uses: Option<u32>,
    ) -> Result<NewToken> {
        let (role, ttl_s) = (role.as_str().to_owned(), ttl.map(|ttl| ttl.as_secs()));
        made(self.order(&KeyOrder::Issue { role, ttl_s, uses })?)
    }

    /// As the function [`list`].
    ///
    /// # Errors
    ///
    /// As [`list`].
    pub fn list(self) -> Result<Vec<TokenState>> {
        let rows = self.order(&KeyOrder::List)?.rows.into_iter();
        let state = rows.map(|row| TokenState {
            id: row.id,
            role: row.role,
            expires_s: row.expires,
            uses: row.uses,
            uses_max: row.uses_max,
            revoked: row.revoked,
        });
        Ok(state.collect())
    }

    /// As the function [`revoke`].
    ///
    /// # Errors
    ///
    /// As [`revoke`].
    pub fn revoke(self, id: &str) -> Result<()> {
        self.order(&KeyOrder::Revoke(id.to_owned())).map(drop)
    }

    /// As the function [`rotate`].
    ///
    /// # Errors
    ///
    /// As [`revoke`].
    pub fn rotate(self, id: &str, ttl: Option<Duration>) -> Result<NewToken> {
        let ttl_s = ttl.map(|ttl| ttl.as_secs());
        made(self.order(&KeyOrder::Rotate { id: id.to_owned(), ttl_s })?)
    }
}

fn made(keys: Keys) -> Result<NewToken> {
    let none = || Error::new(ErrorKind::Encoding, "the head has made no token");
    keys.token.map(|(id, token)| NewToken { id, token }).ok_or_else(none)
}

/// A token with which others join: good for `ttl` (without that, until it is revoked) and so many
/// uses (without that, any number).
///
/// # Errors
///
/// As [`list`].
///
/// ```no_run
/// use raykit::token::{self, TokenRole};
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::Config::new().head("127.0.0.1:7000".parse().unwrap()).init()?;
/// let day = std::time::Duration::from_secs(24 * 3600);
/// let made = token::issue(TokenRole::Node, Some(day), None)?;
/// token::revoke(&made.id)?;
/// # Ok(())
/// # }
/// ```
pub fn issue(role: TokenRole, ttl: Option<Duration>, uses: Option<u32>) -> Result<NewToken> {
    usual().issue(role, ttl, uses)
}

/// All tokens that the head knows, revoked ones included.
///
/// # Errors
///
/// [`ErrorKind::Refused`] where the node in force is neither the head nor an administrator;
/// [`ErrorKind::TimedOut`] or [`ErrorKind::Io`] where the head does not answer.
pub fn list() -> Result<Vec<TokenState>> {
    usual().list()
}

/// Nobody joins with this token any more. Who has joined stays.
///
/// # Errors
///
/// As [`list`]; [`ErrorKind::Config`] or [`ErrorKind::Refused`] where there is no such token.
pub fn revoke(id: &str) -> Result<()> {
    usual().revoke(id)
}

/// A token in the place of another one, which is revoked: the same role and uses, and `ttl` from
/// now.
///
/// # Errors
///
/// As [`revoke`].
pub fn rotate(id: &str, ttl: Option<Duration>) -> Result<NewToken> {
    usual().rotate(id, ttl)
}

//! What is done with tokens on a real road.

use super::keys::{KeyOrder, KeyRow, Keys};
use crate::base::AUDIT;
use crate::net::{Authority, Role, Token, TokenId, TokenInfo};
use crate::object::error::{Error, ErrorKind, Result};
use std::time::{Duration, SystemTime};

/// Does something with the tokens of a cluster.
pub(super) fn keys(authority: &mut Authority, order: &KeyOrder) -> Result<Keys> {
    let done = act(authority, order);
    if !matches!(order, KeyOrder::List) {
        let error = done.as_ref().err().map(|error| error.message());
        tracing::info!(target: AUDIT, ?order, error, "tokens were seen to");
    }
    done
}

fn act(authority: &mut Authority, order: &KeyOrder) -> Result<Keys> {
    let read = |id: &str| {
        let wrong = || Error::new(ErrorKind::Config, format!("`{id}` is not the id of a token"));
        TokenId::parse(id).ok_or_else(wrong)
    };
    let made = |token: Token| {
        let token = Some((token.id().to_string(), token.reveal()));
        Keys { token, rows: Vec::new() }
    };
    match order {
        KeyOrder::Issue { role, ttl_s, uses } => {
            let known = Role::parse(role).filter(|role| *role != Role::Readonly);
            let unknown = || Error::new(ErrorKind::Config, format!("there is no role `{role}`"));
            let ttl = ttl_s.map(Duration::from_secs);
            authority.issue(known.ok_or_else(unknown)?, ttl, *uses).map(made)
        }
        KeyOrder::List => {
            let seconds = |at: SystemTime| {
                at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
            };
            let row = |info: TokenInfo| KeyRow {
                id: info.id.to_string(),
                role: info.role.to_string(),
                expires: info.expires.map(seconds),
                uses: info.uses,
                uses_max: info.uses_max,
                revoked: info.revoked,
            };
            let rows = authority.tokens().into_iter().map(row).collect();
            Ok(Keys { token: None, rows })
        }
        KeyOrder::Revoke(id) => {
            authority.revoke(read(id)?)?;
            Ok(Keys::default())
        }
        KeyOrder::Rotate { id, ttl_s } => {
            authority.rotate(read(id)?, ttl_s.map(Duration::from_secs)).map(made)
        }
    }
}

/// The token in a file, as text.
pub(crate) fn read_token(path: &std::path::Path) -> Result<String> {
    Token::read(path).map(|token| token.reveal())
}

/// Writes a token where only the user can read it, in the place of an earlier one.
pub(crate) fn write_token(path: &std::path::Path, token: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Token::parse(token)?.write(path)
}

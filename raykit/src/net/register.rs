//! The head's list of tokens: of each the public half alone, so that who reads the list still
//! cannot join.

use super::name::Role;
use super::token::{Token, TokenId};
use crate::base::limits::net::TOKENS_MAX;
use crate::object::{Error, ErrorKind, Result};
use ring::signature::{ED25519, UnparsedPublicKey};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the head knows of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenInfo {
    pub(crate) id: TokenId,
    pub(crate) role: Role,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) uses: u32,
    pub(crate) uses_max: Option<u32>,
    pub(crate) revoked: bool,
    public_key: [u8; 32],
}

/// Why a token is not good. For the head's own log: who asked is not told which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unknown,
    BadSignature,
    Revoked,
    Expired,
    UsedUp,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Unknown => "no such token was issued here",
            Refusal::BadSignature => "the proof does not fit the token",
            Refusal::Revoked => "the token was revoked",
            Refusal::Expired => "the token has expired",
            Refusal::UsedUp => "the token was used as often as it may be",
        })
    }
}

#[derive(Default)]
pub(super) struct Register {
    tokens: Vec<TokenInfo>,
}

impl Register {
    pub(super) fn add(
        &mut self,
        token: &Token,
        expires: Option<SystemTime>,
        uses_max: Option<u32>,
        now: SystemTime,
    ) -> Result<()> {
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.retain(|info| !info.revoked && info.in_time(now));
        }
        if self.tokens.len() >= TOKENS_MAX {
            let text = format!("there are {TOKENS_MAX} tokens: revoke some first");
            return Err(Error::new(ErrorKind::Config, text));
        }
        self.tokens.push(TokenInfo {
            id: token.id,
            role: token.role,
            // The list on disk counts whole seconds.
            expires: expires.map(|at| moment(seconds(at))),
            uses: 0,
            uses_max,
            revoked: false,
            public_key: token.public_key()?,
        });
        Ok(())
    }

    pub(super) fn list(&self) -> &[TokenInfo] {
        &self.tokens
    }

    pub(super) fn revoke(&mut self, id: TokenId) -> Option<&TokenInfo> {
        let info = self.tokens.iter_mut().find(|info| info.id == id)?;
        info.revoked = true;
        Some(info)
    }

    /// The role that the token gives, if `signature` of `message` proves its holder.
    pub(super) fn check(
        &self,
        id: TokenId,
        message: &[u8],
        signature: &[u8],
        now: SystemTime,
    ) -> Result<Role, Refusal> {
        let info = self.tokens.iter().find(|info| info.id == id).ok_or(Refusal::Unknown)?;
        // First the proof: who has none learns nothing by the time that the rest takes.
        UnparsedPublicKey::new(&ED25519, &info.public_key)
            .verify(message, signature)
            .map_err(|_| Refusal::BadSignature)?;
        if info.revoked {
            return Err(Refusal::Revoked);
        }
        if !info.in_time(now) {
            return Err(Refusal::Expired);
        }
        if info.uses_max.is_some_and(|most| info.uses >= most) {
            return Err(Refusal::UsedUp);
        }
        Ok(info.role)
    }

    pub(super) fn used(&mut self, id: TokenId) {
        if let Some(info) = self.tokens.iter_mut().find(|info| info.id == id) {
            info.uses = info.uses.saturating_add(1);
        }
    }

    /// One line each; `-` stands for no limit.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for info in &self.tokens {
            let expires = info.expires.map_or("-".into(), |at| seconds(at).to_string());
            let most = info.uses_max.map_or("-".into(), |most| most.to_string());
            let state = if info.revoked { "revoked" } else { "good" };
            let key = super::text::hex(&info.public_key);
            let TokenInfo { id, role, uses, .. } = info;
            text.push_str(&format!("{id} {role} {expires} {uses} {most} {state} {key}\n"));
        }
        text
    }

    pub(super) fn parse(text: &str) -> Result<Register> {
        let wrong = |line: &str| {
            Error::new(ErrorKind::Config, format!("the list of tokens has the line `{line}`"))
        };
        let read = |line| TokenInfo::parse(line).ok_or_else(|| wrong(line));
        Ok(Register { tokens: text.lines().map(read).collect::<Result<_>>()? })
    }
}

impl TokenInfo {
    fn in_time(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|at| now < at)
    }

    fn parse(line: &str) -> Option<TokenInfo> {
        let parts: Vec<&str> = line.split(' ').collect();
        let [id, role, expires, uses, most, state, key] = parts[..] else { return None };
        let limit = |text: &str| match text {
            "-" => Some(None),
            number => number.parse::<u64>().ok().map(Some),
        };
        let uses_max = match limit(most)? {
            Some(most) => Some(most.try_into().ok()?),
            None => None,
        };
        Some(TokenInfo {
            id: TokenId::parse(id)?,
            role: Role::parse(role)?,
            expires: limit(expires)?.map(moment),
            uses: uses.parse().ok()?,
            uses_max,
            revoked: match state {
                "revoked" => true,
                "good" => false,
                _ => return None,
            },
            public_key: super::text::from_hex(key)?,
        })
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

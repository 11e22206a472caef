//! `Token`: what lets a process into a cluster. It names the cluster's key, so that whoever holds
//! it can tell the right head from a wrong one, and holds a secret that proves the holder.
//!
//! `rk1.<role>.<pin>.<id>.<secret>.<checksum>`, the last four in base32. The secret is the seed of
//! an Ed25519 key: it signs, and never leaves its holder.

use super::files;
use super::name::Role;
use super::secret::{Secret, digest};
use super::text::{base32, from_base32};
use crate::object::{Error, ErrorKind, Result};
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fmt;
use std::path::Path;

const PREFIX: &str = "rk1";
const TEXT_BYTES_MAX: usize = 256;

/// Names a token at the head. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenId(pub(super) [u8; 8]);

/// The right to join a cluster in a role.
#[derive(Clone)]
pub(crate) struct Token {
    pub(super) role: Role,
    /// SHA-256 of the cluster key's `SubjectPublicKeyInfo`.
    pub(super) pin: [u8; 32],
    pub(super) id: TokenId,
    pub(super) seed: Secret<[u8; 32]>,
}

impl Token {
    pub(crate) fn id(&self) -> TokenId {
        self.id
    }

    /// The token as it is handed on; whoever sees it may join.
    pub(crate) fn reveal(&self) -> String {
        let TokenId(id) = self.id;
        let secret = base32(self.seed.bytes());
        let body = format!("{PREFIX}.{}.{}.{}.{secret}", self.role, base32(&self.pin), base32(&id));
        format!("{body}.{}", checksum(&body))
    }

    /// Reads what `reveal` wrote. Case and white space around it do not matter.
    pub(crate) fn parse(text: &str) -> Result<Token> {
        let text = text.trim().to_ascii_lowercase();
        let wrong = |why: &str| Error::new(ErrorKind::Config, format!("the token {why}"));
        if !text.starts_with("rk1.") {
            return Err(wrong("does not begin with `rk1.`, so it is not one of raykit's"));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [_, role, pin, id, seed, sum] = parts[..] else {
            return Err(wrong(&format!("has {} parts instead of 6: it was cut", parts.len())));
        };
        let typo = || wrong("has a typing error: its checksum does not fit");
        let pin = from_base32(pin).ok_or_else(typo)?;
        let id = TokenId(from_base32(id).ok_or_else(typo)?);
        let seed = Secret::new(from_base32(seed).ok_or_else(typo)?);
        let known = Role::parse(role);
        // The sum is of the canonical spelling, in which `o` and `0` are one.
        let token = Token { role: known.unwrap_or(Role::Node), pin, id, seed };
        let sum = from_base32::<5>(sum).map(|sum| base32(&sum)).ok_or_else(typo)?;
        match known {
            Some(Role::Head) => Err(wrong("is for a head, and no token makes a head")),
            Some(_) if token.reveal().ends_with(&format!(".{sum}")) => Ok(token),
            Some(_) => Err(typo()),
            None => Err(wrong(&format!("is for the role `{role}`, which this version lacks"))),
        }
    }

    /// Writes the token to a new file that its owner alone may read.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        files::create(path, format!("{}\n", self.reveal()).as_bytes())
    }

    /// Reads a token's file. Refused where others may read it.
    pub(crate) fn read(path: &Path) -> Result<Token> {
        let bytes = Secret::new(files::read(path, TEXT_BYTES_MAX)?);
        Token::parse(std::str::from_utf8(bytes.bytes())?)
    }

    pub(super) fn public_key(&self) -> Result<[u8; 32]> {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair()?.public_key().as_ref());
        Ok(key)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair()?.sign(message).as_ref());
        Ok(signature)
    }

    fn pair(&self) -> Result<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(self.seed.bytes())
            .map_err(|_| Error::new(ErrorKind::Config, "the token's secret is no key"))
    }
}

fn checksum(body: &str) -> String {
    base32(&digest(body.as_bytes())[..5])
}

impl TokenId {
    pub(crate) fn parse(text: &str) -> Option<TokenId> {
        from_base32(text).map(TokenId)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}
impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} {}, [secret])", self.role, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let seed = Secret::new([0xA5; 32]);
        Token { role: Role::Node, pin: [3; 32], id: TokenId([9; 8]), seed }
    }

    #[test]
    fn a_token_reads_back() {
        let text = token().reveal();
        assert!(text.starts_with("rk1.node."), "{text}");
        for form in [text.clone(), format!("  {text}\n"), text.to_ascii_uppercase()] {
            let read = Token::parse(&form).unwrap();
            assert_eq!((read.id, read.pin, read.role), (token().id, [3; 32], Role::Node));
            assert_eq!(read.seed.bytes(), token().seed.bytes());
        }
        let shown = format!("{:?}", token());
        assert!(!shown.contains(&base32(&[0xA5; 32])) && shown.contains("[secret]"), "{shown}");
    }

    #[test]
    fn a_typing_error_is_found() {
        let text = token().reveal();
        for at in 4..text.len() {
            for letter in ['0', '7', 'q', 'z', 'u', '.'] {
                let mut wrong = text.clone();
                wrong.replace_range(at..=at, &letter.to_string());
                assert!(wrong == text || Token::parse(&wrong).is_err(), "{wrong}");
            }
        }
        let table = [
            ("", "does not begin with"),
            ("swmtkn-1-abc", "does not begin with"),
            (&text[..text.len() - 9], "has 5 parts"),
            (&text[..text.len() - 1], "checksum"),
            (&text.replace("node", "client"), "checksum"),
            (&text.replace("node", "root"), "the role `root`"),
            (&text.replace("node", "head"), "no token makes a head"),
        ];
        for (wrong, why) in table {
            let error = Token::parse(wrong).unwrap_err();
            assert!(error.message().contains(why), "{wrong}: {error}");
            assert!(!error.message().contains('\n'));
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_token_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let home = crate::net::tests::Folder::new("token");
        let path = home.path.join("token");
        token().write(&path).unwrap();
        assert_eq!(Token::read(&path).unwrap().id, token().id);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        let error = Token::read(&path).unwrap_err();
        assert!(error.message().contains("open to others"), "{error}");
    }
}

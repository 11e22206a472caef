//! `Authority`: the head's right to say who belongs to the cluster. It holds the cluster's key,
//! signs certificates with it and keeps the list of tokens.

use super::files;
use super::identity::{Identity, Key, pin};
use super::name::{ClusterId, Name, Role};
use super::register::{Refusal, Register, TokenInfo};
use super::secret::{Secret, random};
use super::token::{Token, TokenId};
use crate::base::NodeId;
use crate::base::limits::net::{
    AUTHORITY_DAYS, CERTIFICATE_HOURS, CLOCK_SKEW_S_MAX, CONTROL_BYTES_MAX, TOKENS_MAX,
};
use crate::object::{Error, ErrorKind, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The name that all nodes answer to in TLS; which of them one is stands in the URI beside it.
pub(super) const SERVER_NAME: &str = "raykit.cluster";

const KEY_FILE: &str = "authority.key";
const CERTIFICATE_FILE: &str = "authority.crt";
const CLUSTER_FILE: &str = "cluster";
const TOKENS_FILE: &str = "tokens";
/// Of a line in the list of tokens; twice what one takes.
const TOKEN_LINE_BYTES: usize = 320;

/// The cluster's key, and what is done with it.
pub(crate) struct Authority {
    cluster: ClusterId,
    key: Key,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    register: Register,
    /// Where every change is written, if anywhere.
    folder: Option<PathBuf>,
}

impl Authority {
    /// A new cluster, with a key of its own.
    pub(crate) fn create() -> Result<Authority> {
        let cluster = ClusterId::random()?;
        let key = Key::generate()?;
        let pair = key.pair()?;
        let params = authority_params(cluster)?;
        let certificate = params.self_signed(&pair).map_err(unsigned)?.der().clone();
        let issuer = Issuer::new(params, pair);
        Ok(Authority {
            cluster,
            key,
            issuer,
            certificate,
            register: Register::default(),
            folder: None,
        })
    }

    /// Writes all of it into `folder`, which its owner alone may enter, and keeps the list of
    /// tokens there up to date from now on. An authority that is there already is left alone.
    pub(crate) fn save(&mut self, folder: &Path) -> Result<()> {
        let folder = files::folder(folder)?;
        files::create(&folder.join(KEY_FILE), self.key.der())?;
        files::create(&folder.join(CERTIFICATE_FILE), &self.certificate)?;
        files::create(&folder.join(CLUSTER_FILE), self.cluster.to_string().as_bytes())?;
        files::create(&folder.join(TOKENS_FILE), self.register.to_text().as_bytes())?;
        self.folder = Some(folder);
        Ok(())
    }

    /// Reads what `save` wrote. Refused where others may read the key.
    pub(crate) fn load(folder: &Path) -> Result<Authority> {
        let folder = files::folder(folder)?;
        let read = |name: &str| files::read(&folder.join(name), CONTROL_BYTES_MAX);
        let wrong =
            |what: &str| Error::new(ErrorKind::Config, format!("{} {what}", folder.display()));
        let cluster = read(CLUSTER_FILE)?;
        let cluster = std::str::from_utf8(&cluster)?;
        let cluster = ClusterId::parse(cluster).ok_or_else(|| wrong("names no cluster"))?;
        let key = Key::from_der(read(KEY_FILE)?)?;
        let certificate = CertificateDer::from(read(CERTIFICATE_FILE)?);
        let issuer = Issuer::new(authority_params(cluster)?, key.pair()?);
        if pin(&certificate)? != super::secret::digest(&issuer.key().subject_public_key_info()) {
            return Err(wrong("has a certificate that is not its key's"));
        }
        let tokens = files::read(&folder.join(TOKENS_FILE), TOKENS_MAX * TOKEN_LINE_BYTES)?;
        let register = Register::parse(std::str::from_utf8(&tokens)?)?;
        Ok(Authority { cluster, key, issuer, certificate, register, folder: Some(folder) })
    }

    pub(crate) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// A token for others to join with in `role`, good for `ttl` and so many uses.
    pub(crate) fn issue(
        &mut self,
        role: Role,
        ttl: Option<Duration>,
        uses_max: Option<u32>,
    ) -> Result<Token> {
        if role == Role::Head {
            return Err(Error::new(ErrorKind::Config, "no token makes a head"));
        }
        let now = SystemTime::now();
        let expires = ttl.and_then(|ttl| now.checked_add(ttl));
        let (id, seed) = (TokenId(random()?), Secret::new(random()?));
        let token = Token { role, pin: pin(&self.certificate)?, id, seed };
        self.register.add(&token, expires, uses_max, now)?;
        self.keep()?;
        Ok(token)
    }

    pub(crate) fn tokens(&self) -> Vec<TokenInfo> {
        self.register.list().to_vec()
    }

    /// Nobody joins with this token any more; who has joined stays.
    pub(crate) fn revoke(&mut self, id: TokenId) -> Result<()> {
        self.register.revoke(id).ok_or_else(|| no_such(id))?;
        self.keep()
    }

    /// A token in the place of another, which is revoked: the same role and uses, and `ttl` from
    /// now.
    pub(crate) fn rotate(&mut self, id: TokenId, ttl: Option<Duration>) -> Result<Token> {
        let old = self.register.revoke(id).ok_or_else(|| no_such(id))?;
        let (role, uses_max) = (old.role, old.uses_max);
        self.issue(role, ttl, uses_max)
    }

    /// The identity of the head itself, signed by its own authority.
    pub(crate) fn own(&self, node: NodeId) -> Result<Identity> {
        let key = Key::generate()?;
        let certificate = self.certify(key.public()?, Role::Head, node, lifetime())?;
        Identity::new(key, certificate, self.certificate.clone())
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate in which `public_key` is `node` for so long.
    pub(super) fn certify(
        &self,
        public_key: [u8; 32],
        role: Role,
        node: NodeId,
        lifetime: Duration,
    ) -> Result<CertificateDer<'static>> {
        let name = Name { cluster: self.cluster, role, node };
        let mut params = leaf_params(name, lifetime).map_err(unsigned)?;
        params.serial_number = Some(serial()?);
        let signed = params.signed_by(&PublicKey(public_key), &self.issuer).map_err(unsigned)?;
        Ok(signed.der().clone())
    }

    /// The role of the token, if `signature` of `message` proves its holder.
    pub(super) fn check(
        &self,
        id: TokenId,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Role, Refusal> {
        self.register.check(id, message, signature, SystemTime::now())
    }

    /// Somebody has joined with this token.
    pub(super) fn used(&mut self, id: TokenId) -> Result<()> {
        self.register.used(id);
        self.keep()
    }

    fn keep(&self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        files::replace(&folder.join(TOKENS_FILE), self.register.to_text().as_bytes())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({}, {} tokens)", self.cluster, self.register.list().len())
    }
}

fn no_such(id: TokenId) -> Error {
    Error::new(ErrorKind::Config, format!("there is no token {id}"))
}

fn unsigned(error: rcgen::Error) -> Error {
    Error::new(ErrorKind::Config, format!("a certificate could not be made: {error}"))
}

/// How long a certificate of the cluster's holds.
pub(super) fn lifetime() -> Duration {
    Duration::from_secs(CERTIFICATE_HOURS * 3600)
}

/// A fresh number: two certificates of one key differ in it.
fn serial() -> Result<SerialNumber> {
    let mut bytes = random::<16>()?;
    bytes[0] &= 0x7f; // positive, as X.509 wants it
    Ok(SerialNumber::from_slice(&bytes))
}

fn authority_params(cluster: ClusterId) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("raykit cluster {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    hold(&mut params, Duration::from_secs(AUTHORITY_DAYS * 24 * 3600));
    Ok(params)
}

fn leaf_params(name: Name, lifetime: Duration) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new([SERVER_NAME.to_owned()])?;
    params.subject_alt_names.push(SanType::URI(name.to_uri().try_into()?));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{} {}", name.role, name.node));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    hold(&mut params, lifetime);
    Ok(params)
}

/// From a little before now, since clocks differ, for `lifetime`.
fn hold(params: &mut CertificateParams, lifetime: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let skew = Duration::from_secs(CLOCK_SKEW_S_MAX);
    params.not_before = epoch + now.saturating_sub(skew);
    params.not_after = epoch + now.saturating_add(lifetime);
}

/// An Ed25519 key that somebody else has the secret half of.
struct PublicKey([u8; 32]);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authority: &Authority, token: &Token) -> Result<Role, Refusal> {
        let signature = token.sign(b"hello").unwrap();
        authority.check(token.id, b"hello", &signature)
    }

    #[test]
    fn a_token_is_good_until_it_is_not() {
        let mut authority = Authority::create().unwrap();
        let token = authority.issue(Role::Client, None, Some(1)).unwrap();
        assert_eq!(check(&authority, &token), Ok(Role::Client));
        let forged = authority.check(token.id, b"hallo", &token.sign(b"hello").unwrap());
        assert_eq!(forged, Err(Refusal::BadSignature));
        authority.used(token.id).unwrap();
        assert_eq!(check(&authority, &token), Err(Refusal::UsedUp));
        let fresh = authority.rotate(token.id, None).unwrap();
        assert_eq!(check(&authority, &token), Err(Refusal::Revoked));
        assert_eq!(check(&authority, &fresh), Ok(Role::Client));
        let late = authority.issue(Role::Node, Some(Duration::ZERO), None).unwrap();
        assert_eq!(check(&authority, &late), Err(Refusal::Expired));
        let other = Authority::create().unwrap();
        assert_eq!(check(&other, &fresh), Err(Refusal::Unknown));
        assert!(authority.issue(Role::Head, None, None).is_err());
    }

    #[test]
    fn an_authority_comes_back_from_its_folder() {
        let home = super::super::tests::Folder::new("authority");
        let folder = home.path.join("authority");
        let mut first = Authority::create().unwrap();
        first.save(&folder).unwrap();
        assert!(Authority::create().unwrap().save(&folder).is_err(), "one is there");
        let token = first.issue(Role::Node, Some(Duration::from_secs(60)), Some(7)).unwrap();
        let second = Authority::load(&folder).unwrap();
        assert_eq!(second.tokens(), first.tokens());
        assert_eq!((second.cluster(), check(&second, &token)), (first.cluster(), Ok(Role::Node)));
        let identity = second.own(NodeId(1)).unwrap();
        assert_eq!(identity.name.to_uri(), format!("raykit://{}/head/1", first.cluster()));
        assert_eq!(pin(&identity.authority).unwrap(), token.pin);
        assert!(identity.renew_at() < identity.valid.until);
        let text = std::fs::read_to_string(folder.join(TOKENS_FILE)).unwrap();
        assert!(!text.contains(&super::super::text::base32(token.seed.bytes())));
    }
}

//! `Identity`: this process's own key, and the certificate in which the cluster says who it is.

use super::name::Name;
use super::secret::{Secret, digest};
use crate::object::{Error, ErrorKind, Result};
use rcgen::{KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who this process is, with the proof.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(super) name: Name,
    pub(super) key: Key,
    pub(super) certificate: CertificateDer<'static>,
    /// The certificate of the cluster's key: the only one that is trusted.
    pub(super) authority: CertificateDer<'static>,
    pub(super) valid: Validity,
}

/// From when until when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

/// An Ed25519 key pair, in PKCS #8.
#[derive(Clone, Debug)]
pub(super) struct Key(Secret<Vec<u8>>);

impl Key {
    pub(super) fn generate() -> Result<Key> {
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(unusable)?;
        Ok(Key(Secret::new(pair.serialize_der())))
    }

    pub(super) fn from_der(bytes: Vec<u8>) -> Result<Key> {
        let key = Key(Secret::new(bytes));
        key.pair()?;
        Ok(key)
    }

    pub(super) fn der(&self) -> &[u8] {
        self.0.bytes()
    }

    pub(super) fn pair(&self) -> Result<KeyPair> {
        let der = PrivatePkcs8KeyDer::from(self.der());
        KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(unusable)
    }

    pub(super) fn public(&self) -> Result<[u8; 32]> {
        let pair = self.pair()?;
        pair.public_key_raw().try_into().map_err(|_| unusable("its length"))
    }

    pub(super) fn for_tls(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.der().to_vec()).into()
    }
}

fn unusable(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("the key cannot be used: {why}"))
}

impl Identity {
    /// Checks that `certificate` is about `key` and names somebody; that the authority signed it is
    /// for the other side to find out.
    pub(super) fn new(
        key: Key,
        certificate: CertificateDer<'static>,
        authority: CertificateDer<'static>,
    ) -> Result<Identity> {
        let said = Said::of(&certificate)?;
        if said.public_key != key.public()? {
            return Err(Error::new(ErrorKind::Config, "the certificate is for another key"));
        }
        Ok(Identity { name: said.name, key, certificate, authority, valid: said.valid })
    }

    pub(crate) fn name(&self) -> Name {
        self.name
    }

    /// When a new certificate should be asked for: after two thirds of this one's time.
    pub(super) fn renew_at(&self) -> SystemTime {
        let Validity { from, until } = self.valid;
        from + until.duration_since(from).unwrap_or_default() / 3 * 2
    }

    /// The same key and name with a later certificate.
    pub(super) fn renewed(&self, certificate: CertificateDer<'static>) -> Result<Identity> {
        let renewed = Identity::new(self.key.clone(), certificate, self.authority.clone())?;
        if renewed.name != self.name {
            return Err(Error::new(ErrorKind::Config, "the new certificate has another name"));
        }
        Ok(renewed)
    }
}

/// What a certificate says.
pub(super) struct Said {
    pub(super) name: Name,
    pub(super) public_key: Vec<u8>,
    pub(super) valid: Validity,
}

impl Said {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Said> {
        let wrong = |what: &str| Error::new(ErrorKind::Io, format!("the certificate {what}"));
        let parsed = parse(certificate)?;
        let names = parsed
            .subject_alternative_name()
            .map_err(|_| wrong("has its names twice"))?
            .ok_or_else(|| wrong("has no name"))?;
        let mut uris = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let (Some(uri), None) = (uris.next(), uris.next()) else {
            return Err(wrong("does not have one name of raykit's"));
        };
        Ok(Said {
            name: Name::parse(uri).ok_or_else(|| wrong("has a name that is not raykit's"))?,
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            valid: Validity {
                from: moment(parsed.validity().not_before.timestamp()),
                until: moment(parsed.validity().not_after.timestamp()),
            },
        })
    }
}

/// SHA-256 of the certificate's `SubjectPublicKeyInfo`: what a token pins.
pub(super) fn pin(certificate: &CertificateDer<'_>) -> Result<[u8; 32]> {
    Ok(digest(parse(certificate)?.public_key().raw))
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>> {
    match X509Certificate::from_der(certificate.as_ref()) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(Error::new(ErrorKind::Io, "the certificate cannot be read")),
    }
}

fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or(0))
}

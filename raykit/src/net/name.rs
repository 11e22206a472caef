//! Who somebody is: the cluster, the role in it and the node id, as a certificate says them.

use super::secret::random;
use super::text::{from_hex, hex};
use crate::base::NodeId;
use crate::object::Result;
use std::fmt;

/// 128 random bits that tell one cluster from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClusterId(pub(super) [u8; 16]);

/// What somebody may be in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Keeps the cluster's authority. No token makes a head.
    Head,
    /// Runs tasks and keeps objects.
    Node,
    /// Submits work and reads results.
    Client,
    /// Changes the cluster itself.
    Admin,
    /// Looks, and changes nothing.
    Readonly,
}

/// All that a certificate says of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) cluster: ClusterId,
    pub(crate) role: Role,
    pub(crate) node: NodeId,
}

const SCHEME: &str = "raykit://";

impl ClusterId {
    pub(super) fn random() -> Result<Self> {
        Ok(ClusterId(random()?))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(ClusterId)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Role {
    const ALL: [(Role, &str); 5] = [
        (Role::Head, "head"),
        (Role::Node, "node"),
        (Role::Client, "client"),
        (Role::Admin, "admin"),
        (Role::Readonly, "readonly"),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Role::ALL.iter().find(|(role, _)| *role == self).map_or("", |(_, text)| text)
    }

    pub(crate) fn parse(text: &str) -> Option<Role> {
        Role::ALL.iter().find(|(_, known)| *known == text).map(|(role, _)| *role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Name {
    /// `raykit://<cluster>/<role>/<node>`.
    pub(super) fn to_uri(self) -> String {
        format!("{SCHEME}{}/{}/{}", self.cluster, self.role, self.node.0)
    }

    /// The name that `uri` spells in exactly the form of `to_uri`.
    pub(super) fn parse(uri: &str) -> Option<Name> {
        let mut parts = uri.strip_prefix(SCHEME)?.split('/');
        let name = Name {
            cluster: ClusterId::parse(parts.next()?)?,
            role: Role::parse(parts.next()?)?,
            node: NodeId(parts.next()?.parse().ok()?),
        };
        (parts.next().is_none() && name.to_uri() == uri).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        let name = Name { cluster: ClusterId([7; 16]), role: Role::Node, node: NodeId(12) };
        let uri = name.to_uri();
        assert_eq!(uri, format!("raykit://{}/node/12", "07".repeat(16)));
        assert_eq!(Name::parse(&uri), Some(name));
        let wrong = [
            uri.replace("/12", "/012"),
            uri.replace("/12", "/+12"),
            uri.replace("/12", "/4294967296"),
            uri.replace("node", "Node"),
            uri.replace("node", "root"),
            format!("{uri}/"),
            uri.replace("07", "7"),
            uri.replace("raykit", "spiffe"),
        ];
        for wrong in wrong {
            assert_eq!(Name::parse(&wrong), None, "{wrong}");
        }
    }
}

//! What is done with the tokens of a cluster. The head does it, for itself and for whoever has
//! shown a token that makes an administrator; nodes and drivers cannot make or see any.

use crate::proto::wire::{Reader, Wire, record};

/// The first byte of an order: it is no question about a node's state.
const ORDER: u8 = 3;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyOrder {
    Issue { role: String, ttl_s: Option<u64>, uses: Option<u32> },
    List,
    Revoke(String),
    Rotate { id: String, ttl_s: Option<u64> },
}

/// What the head knows of a token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) role: String,
    /// Seconds since 1970.
    pub(crate) expires: Option<u64>,
    pub(crate) uses: u32,
    pub(crate) uses_max: Option<u32>,
    pub(crate) revoked: bool,
}
record!(KeyRow { id, role, expires, uses, uses_max, revoked });

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys {
    /// A token that was made: whoever sees it may join.
    pub(crate) token: Option<(String, String)>,
    pub(crate) rows: Vec<KeyRow>,
}
record!(Keys { token, rows });

/// The same on its way to whoever asked, or why nothing was done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Done(Keys),
    Refused(String),
}

impl Wire for KeyOrder {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(ORDER);
        match self {
            KeyOrder::Issue { role, ttl_s, uses } => {
                out.push(0);
                role.put(out);
                (*ttl_s, *uses).put(out);
            }
            KeyOrder::List => out.push(1),
            KeyOrder::Revoke(id) => {
                out.push(2);
                id.put(out);
            }
            KeyOrder::Rotate { id, ttl_s } => {
                out.push(3);
                (id.clone(), *ttl_s).put(out);
            }
        }
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        if u8::take(from)? != ORDER {
            return None;
        }
        Some(match u8::take(from)? {
            0 => KeyOrder::Issue {
                role: Wire::take(from)?,
                ttl_s: Wire::take(from)?,
                uses: Wire::take(from)?,
            },
            1 => KeyOrder::List,
            2 => KeyOrder::Revoke(Wire::take(from)?),
            3 => KeyOrder::Rotate { id: Wire::take(from)?, ttl_s: Wire::take(from)? },
            _ => return None,
        })
    }
}

impl Wire for Reply {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Done(keys) => {
                out.push(1);
                keys.put(out);
            }
            Reply::Refused(why) => {
                out.push(0);
                why.put(out);
            }
        }
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match bool::take(from)? {
            true => Wire::take(from).map(Reply::Done),
            false => Wire::take(from).map(Reply::Refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_replies_read_back_and_cut_ones_do_not() {
        fn check<T: Wire + PartialEq + std::fmt::Debug>(all: &[T]) {
            for one in all {
                let mut bytes = Vec::new();
                one.put(&mut bytes);
                assert_eq!(T::take(&mut Reader::new(&bytes)).as_ref(), Some(one));
                for len in 0..bytes.len() {
                    assert_eq!(T::take(&mut Reader::new(&bytes[..len])), None, "{one:?}");
                }
            }
        }
        check(&[
            KeyOrder::Issue { role: "node".into(), ttl_s: Some(9), uses: None },
            KeyOrder::List,
            KeyOrder::Revoke("id".into()),
            KeyOrder::Rotate { id: "id".into(), ttl_s: None },
        ]);
        let row = KeyRow {
            id: "id".into(),
            role: "node".into(),
            expires: None,
            uses: 1,
            uses_max: Some(2),
            revoked: true,
        };
        let token = Some(("id".into(), "rk1".into()));
        check(&[Reply::Done(Keys { token, rows: vec![row] }), Reply::Refused("no".into())]);
    }
}

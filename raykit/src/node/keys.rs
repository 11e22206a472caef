//! What is done with the tokens of a cluster. The head does it, for itself and for whoever has
//! shown a token that makes an administrator; nodes and drivers cannot make or see any.

use super::request;
use crate::proto::wire::{choice, record};

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyOrder {
    Issue { role: String, ttl_s: Option<u64>, uses: Option<u32> },
    List,
    Revoke(String),
    Rotate { id: String, ttl_s: Option<u64> },
}

impl KeyOrder {
    /// What the head is sent.
    pub(crate) fn request(&self) -> Vec<u8> {
        request::write(request::KEYS, self)
    }
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

choice!(KeyOrder {
    0 Issue { role, ttl_s, uses },
    1 List,
    2 Revoke(id),
    3 Rotate { id, ttl_s },
});

choice!(Reply { 0 Refused(why), 1 Done(keys) });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::wire::{Reader, Wire};

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

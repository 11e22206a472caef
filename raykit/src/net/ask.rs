//! The two messages of joining, and how they cross: a length of four bytes, and so many bytes.

use super::framing::{Reader, Writer};
use super::name::ClusterId;
use super::streams::{failed, lost};
use super::token::TokenId;
use crate::base::NodeId;
use crate::base::limits::net::CONTROL_BYTES_MAX;
use crate::object::Result;
use quinn::{Connection, RecvStream, SendStream};

const VERSION: u16 = 1;
const WELCOME: u8 = 1;
const REFUSED: u8 = 0;

/// What a joiner says. The signature is made with the token's secret, over bytes that both ends of
/// this one connection alone can compute, and the key that is to be certified: so it proves the
/// token here and for that key, and is of no use elsewhere.
pub(super) struct Ask {
    pub(super) token: TokenId,
    pub(super) public_key: [u8; 32],
    pub(super) signature: [u8; 64],
    /// For the head's driver to read.
    pub(super) asks: Vec<u8>,
}

/// What the head answers.
pub(super) enum Answer {
    Welcome {
        cluster: ClusterId,
        node: NodeId,
        certificate: Vec<u8>,
        authority: Vec<u8>,
        /// From the head's driver.
        reply: Vec<u8>,
    },
    Refused(String),
}

impl Ask {
    pub(super) fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u16(VERSION)
            .fixed(&self.token.0)
            .fixed(&self.public_key)
            .fixed(&self.signature)
            .sized(&self.asks)
            .done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Ask> {
        let mut reader = Reader(bytes);
        if reader.u16()? != VERSION {
            return None;
        }
        let ask = Ask {
            token: TokenId(reader.fixed()?),
            public_key: reader.fixed()?,
            signature: reader.fixed()?,
            asks: reader.sized()?.to_vec(),
        };
        reader.whole(ask)
    }
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Answer::Welcome { cluster, node, certificate, authority, reply } => Writer::default()
                .fixed(&[WELCOME])
                .fixed(&cluster.0)
                .u32(node.0)
                .sized(certificate)
                .sized(authority)
                .sized(reply)
                .done(),
            Answer::Refused(why) => {
                Writer::default().fixed(&[REFUSED]).sized(why.as_bytes()).done()
            }
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Answer> {
        let mut reader = Reader(bytes);
        let answer = match reader.fixed()? {
            [WELCOME] => Answer::Welcome {
                cluster: ClusterId(reader.fixed()?),
                node: NodeId(reader.u32()?),
                certificate: reader.sized()?.to_vec(),
                authority: reader.sized()?.to_vec(),
                reply: reader.sized()?.to_vec(),
            },
            [REFUSED] => Answer::Refused(String::from_utf8_lossy(reader.sized()?).into_owned()),
            _ => return None,
        };
        reader.whole(answer)
    }
}

/// What the token's key signs: both ends of a connection compute the same, and no one else can.
pub(super) fn proof(connection: &Connection, public_key: &[u8; 32]) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    connection
        .export_keying_material(&mut bytes, b"raykit join", public_key)
        .map_err(|_| failed("the connection gives no proof"))?;
    Ok(bytes)
}

pub(super) async fn write(send: &mut SendStream, message: &[u8]) -> Result<()> {
    if message.len() > CONTROL_BYTES_MAX {
        return Err(failed("the message is too long"));
    }
    send.write_all(&(message.len() as u32).to_le_bytes()).await.map_err(lost)?;
    send.write_all(message).await.map_err(lost)?;
    send.finish().map_err(lost)
}

pub(super) async fn read(receive: &mut RecvStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    receive.read_exact(&mut length).await.map_err(lost)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > CONTROL_BYTES_MAX {
        return Err(failed("the message is too long"));
    }
    // Room is made as the bytes come, not on the word of a stranger.
    let bytes = receive.read_to_end(length).await.map_err(lost)?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(failed("the message was cut short")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_cut_is_not_read() {
        let ask = Ask {
            token: TokenId([1; 8]),
            public_key: [2; 32],
            signature: [3; 64],
            asks: b"four".to_vec(),
        };
        let bytes = ask.encode();
        assert_eq!(Ask::decode(&bytes).unwrap().asks, b"four");
        assert!((0..bytes.len()).all(|length| Ask::decode(&bytes[..length]).is_none()));

        let bytes = Answer::Refused("no".into()).encode();
        assert!(matches!(Answer::decode(&bytes), Some(Answer::Refused(why)) if why == "no"));
        assert!((0..bytes.len()).all(|length| Answer::decode(&bytes[..length]).is_none()));
    }
}

//! `println!` in the body of a remote function is raykit's, which says whose line it is.

use quote::ToTokens;
use syn::{Block, Item, Path, Stmt};

/// Brings raykit's macros for lines into the body, unless that imports some of its own.
pub(crate) fn import(raykit: &Path, body: &mut Block) {
    let own = body.stmts.iter().any(|statement| match statement {
        Stmt::Item(item @ Item::Use(_)) => item.to_token_stream().to_string().contains("println"),
        _ => false,
    });
    if !own {
        let import = code! {
            #[allow(unused_imports)]
            use #raykit::{eprintln, println};
        };
        body.stmts.insert(0, Stmt::Item(Item::Verbatim(import)));
    }
}

//! `#[remote]` on a struct and on its `impl` block: an actor.
//!
//! `parse` sees each method as a function with a receiver, so that its parameters and its result
//! are treated as a function's; `check` refuses what cannot be done. The struct's attribute writes
//! the types beside it (`of_struct`), the block's attribute the methods of those types (`of_impl`).
//! The block may stand in another module, so what it writes touches no private field.

mod bodies;
mod calls;
mod check;
mod expand_impl;
mod expand_struct;
mod fallback;
mod parse;

use crate::attr::Options;
use crate::check::Refusals;
use parse::Methods;
use proc_macro2::TokenStream;
use syn::{ItemImpl, ItemStruct};

/// What the attribute makes of a struct. One that was refused stays as it is.
pub(crate) fn of_struct(
    source: ItemStruct,
    options: Options,
    refusals: &mut Refusals,
) -> TokenStream {
    let mut unfit = Refusals::default();
    check::structure(&source, &options, &mut unfit);
    match unfit.into_error() {
        None => expand_struct::expand(&source, &options),
        Some(error) => {
            refusals.push(error);
            code!(#source)
        }
    }
}

/// What the attribute makes of an `impl` block. A method that was refused leaves what callers name.
pub(crate) fn of_impl(
    mut source: ItemImpl,
    options: Options,
    refusals: &mut Refusals,
) -> TokenStream {
    let attributes = parse::strip(&mut source);
    let mut unfit = Refusals::default();
    let actor = check::block(&source, &mut unfit);
    if let Some(error) = unfit.into_error() {
        refusals.push(error);
        return code!(#source);
    }
    match actor {
        Some(actor) => {
            let methods = Methods::parse(&source, actor, attributes, options.raykit, refusals);
            expand_impl::expand(&source, &methods)
        }
        None => code!(#source),
    }
}

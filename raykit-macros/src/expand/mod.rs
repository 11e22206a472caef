//! From an attribute and an item to code.

pub(crate) mod body;
mod function;
pub(crate) mod parts;
pub(crate) mod place;
pub(crate) mod prints;
pub(crate) mod register;
pub(crate) mod signature;

pub(crate) use function::handle;

use crate::actor;
use crate::attr::{Options, Owner};
use crate::check::{self, Refusals};
use crate::fallback;
use crate::item::Function;
use proc_macro2::TokenStream;
use syn::{Item, parse2};

/// What `#[remote(options)] item` becomes.
pub(crate) fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut refusals = Refusals::default();
    let code = match parse2::<Item>(item.clone()) {
        Ok(Item::Fn(source)) => {
            let options = Options::read(options, Owner::Function, &mut refusals);
            remote_function(Function::new(source, options), &mut refusals)
        }
        Ok(Item::Struct(source)) => {
            let options = Options::read(options, Owner::Struct, &mut refusals);
            actor::of_struct(source, options, &mut refusals)
        }
        Ok(Item::Impl(source)) => {
            let options = Options::read(options, Owner::Impl, &mut refusals);
            actor::of_impl(source, options, &mut refusals)
        }
        Ok(other) => {
            check::item(&other, &mut refusals);
            item
        }
        Err(error) => {
            refusals.push(error);
            item
        }
    };
    let errors = refusals.into_error().map(|error| error.to_compile_error());
    code!(#errors #code)
}

/// An option that was refused leaves the rest as it is; a signature that was refused leaves only
/// what callers name.
fn remote_function(function: Function, refusals: &mut Refusals) -> TokenStream {
    let mut unfit = Refusals::default();
    check::function(&function, &mut unfit);
    let Some(error) = unfit.into_error() else {
        check::returns(&function, "function", refusals);
        return function::expand(&function);
    };
    refusals.push(error);
    fallback::function(&function)
}

#[cfg(test)]
mod tests;

//! From an attribute and an item to code.

mod function;
mod place;
mod register;
mod signature;

pub(crate) use function::{conditions, handle};

use crate::attr::Options;
use crate::check::{self, Refusals};
use crate::fallback;
use crate::item::Function;
use proc_macro2::TokenStream;
use syn::{Item, parse2};

/// What `#[remote(options)] item` becomes.
pub(crate) fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut refusals = Refusals::default();
    let options = Options::read(options, &mut refusals);
    let code = match parse2::<Item>(item.clone()) {
        Ok(Item::Fn(source)) => remote_function(Function::new(source, options), &mut refusals),
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
        check::returns(&function, refusals);
        return function::expand(&function);
    };
    refusals.push(error);
    fallback::function(&function)
}

#[cfg(test)]
mod tests;

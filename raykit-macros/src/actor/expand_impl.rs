//! What stands beside an actor's `impl` block: for each method its entry in the program's list, and
//! the calls of it.

use super::parse::{Fit, Methods};
use super::{bodies, calls, fallback};
use crate::expand::parts::{conditions, lints};
use crate::expand::prints;
use proc_macro2::TokenStream;
use syn::{ImplItem, ItemImpl};

/// The block as it is, and everything else in a scope of its own.
pub(super) fn expand(source: &ItemImpl, methods: &Methods) -> TokenStream {
    let conditions = conditions(&source.attrs);
    let lints = lints(&source.attrs);
    let helpers = bodies::helpers(methods);
    let all = methods.all.iter().enumerate().map(|(at, method)| match method.fit {
        Fit::Whole => {
            let registration = bodies::registration(methods, method, at);
            let calls = (!method.ends()).then(|| calls::calls(methods, method, at));
            code!(#registration #calls)
        }
        Fit::Callers => fallback::method(methods, method),
        Fit::Nothing => TokenStream::new(),
    });
    let mut source = source.clone();
    for item in &mut source.items {
        if let ImplItem::Fn(method) = item {
            prints::import(&methods.raykit, &mut method.block);
        }
    }
    code! {
        #source
        #(#conditions)*
        #lints
        const _: () = {
            #helpers
            #(#all)*
        };
    }
}

//! The values of options, each as code for the field that it goes into.

use super::{Entry, Named, NumReturns, Value};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitInt, Path, UnOp};

pub(super) fn some(value: TokenStream) -> TokenStream {
    code!(::core::option::Option::Some(#value))
}

/// A number from 0, fractions allowed. Other expressions are looked at when they have a value.
pub(super) fn amount(raykit: &Path, key: &str, value: &Expr) -> syn::Result<TokenStream> {
    let words = format!("`{key}` is a number from 0 up, e.g. `0.5` or `2`");
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(_) | Lit::Float(_), .. }) => {}
        Expr::Lit(_) | Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => {
            return Err(syn::Error::new_spanned(value, words));
        }
        Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "NAN") => {
            return Err(syn::Error::new_spanned(value, words));
        }
        _ => {}
    }
    Ok(
        quote_spanned!(located(value)=> #raykit::__private::amount((#value) as ::core::primitive::f64)),
    )
}

/// A whole number from 0, or from 1 where none would be for ever.
pub(super) fn whole(key: &str, value: &Expr) -> syn::Result<TokenStream> {
    let refused = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            matches!(key, "max_concurrency" | "backpressure" | "backpressure_bytes")
                && is_zero(number)
        }
        Expr::Lit(_) => true,
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => true,
        _ => false,
    };
    if refused {
        let words = match key {
            "memory" => "`memory` is a whole number of bytes from 0 up, e.g. `64 << 20`".to_owned(),
            "max_concurrency" | "backpressure" => format!("`{key}` is a whole number from 1 up"),
            "backpressure_bytes" => {
                format!("`{key}` is a whole number of bytes from 1 up, e.g. `64 << 20`")
            }
            _ => format!("`{key}` is a whole number from 0 up; `u32::MAX` is as good as no limit"),
        };
        return Err(syn::Error::new_spanned(value, words));
    }
    Ok(value.to_token_stream())
}

pub(super) fn duration(key: &str, value: &Expr) -> syn::Result<TokenStream> {
    if let Expr::Lit(_) | Expr::Unary(_) = value {
        let words = format!("`{key}` is a `Duration`, e.g. `std::time::Duration::from_secs(10)`");
        return Err(syn::Error::new_spanned(value, words));
    }
    Ok(value.to_token_stream())
}

pub(super) fn retry_on(raykit: &Path, value: &Expr) -> TokenStream {
    let which = quote_spanned!(located(value)=> #raykit::RetryOn);
    match bare(value) {
        Some(word) if word == "nothing" => code!(#which::Nothing),
        Some(word) if word == "all" => code!(#which::All),
        _ => code!(#which::When(#value)),
    }
}

pub(super) fn strategy(raykit: &Path, value: &Expr) -> syn::Result<TokenStream> {
    match bare(value) {
        Some(word) if word == "Spread" || word == "Default" => Ok(code!(#raykit::Strategy::#word)),
        _ => Err(syn::Error::new_spanned(value, "`strategy` is `Default` or `Spread`")),
    }
}

/// The expression, if it is a single word.
fn bare(value: &Expr) -> Option<&Ident> {
    match value {
        Expr::Path(path) => path.path.get_ident(),
        _ => None,
    }
}

pub(super) fn resources(raykit: &Path, entry: &Entry) -> syn::Result<TokenStream> {
    let Value::List(list) = &entry.value else {
        let words = "write `resources(\"name\" = 1, ..)`";
        return Err(syn::Error::new(entry.key.span(), words));
    };
    let mut pairs = Vec::new();
    for Named { name, value } in list {
        let value = amount(raykit, &name.value(), value)?;
        pairs.push(code!((::std::borrow::Cow::Borrowed(#name), #value)));
    }
    Ok(code!(::std::borrow::Cow::Borrowed({
        const __RESOURCES: &[(
            ::std::borrow::Cow<'static, ::core::primitive::str>,
            ::core::primitive::f64,
        )] = &[#(#pairs),*];
        __RESOURCES
    })))
}

pub(super) fn labels(entry: &Entry) -> syn::Result<TokenStream> {
    let Value::List(list) = &entry.value else {
        let words = "write `labels(\"zone\" = \"a\", ..)`";
        return Err(syn::Error::new(entry.key.span(), words));
    };
    let pair = |Named { name, value }: &Named| code!((::std::borrow::Cow::Borrowed(#name), ::std::borrow::Cow::Borrowed(#value)));
    let pairs = list.iter().map(pair);
    Ok(code!(::std::borrow::Cow::Borrowed({
        const __LABELS: &[(
            ::std::borrow::Cow<'static, ::core::primitive::str>,
            ::std::borrow::Cow<'static, ::core::primitive::str>,
        )] = &[#(#pairs),*];
        __LABELS
    })))
}

pub(super) fn num_returns(value: &Expr) -> syn::Result<Option<NumReturns>> {
    let place = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(place), .. }) => place.clone(),
        _ => return Err(syn::Error::new_spanned(value, "`num_returns` is a number from 2 to 8")),
    };
    match place.base10_parse() {
        Ok(1) => Ok(None),
        Ok(count @ 2..=8) => Ok(Some(NumReturns { count, place })),
        _ => {
            let words =
                "`num_returns` is a number from 2 to 8; return a `Vec` or a struct for more";
            Err(syn::Error::new_spanned(place, words))
        }
    }
}

pub(super) fn renamed(value: &Expr) -> syn::Result<()> {
    match value {
        Expr::Path(_) => Ok(()),
        _ => Err(syn::Error::new_spanned(value, "`crate` is a path, e.g. `crate = ::my_raykit`")),
    }
}

fn located(value: &Expr) -> Span {
    Span::mixed_site().located_at(value.span())
}

fn is_zero(number: &LitInt) -> bool {
    number.base10_parse::<u64>().is_ok_and(|number| number == 0)
}

/// `detached` or `counted`.
pub(super) fn lifetime(value: &Expr) -> syn::Result<TokenStream> {
    match bare(value) {
        Some(word) if word == "detached" => Ok(code!(true)),
        Some(word) if word == "counted" => Ok(code!(false)),
        _ => {
            let words = "`lifetime` is `counted`, as long as there are handles, or `detached`, until \
                         it is stopped";
            Err(syn::Error::new_spanned(value, words))
        }
    }
}

/// A word that stands alone, or `= true`.
pub(super) fn flag(entry: &Entry) -> syn::Result<TokenStream> {
    let key = &entry.key;
    let words = format!("write `{key}`, or `{key} = true`");
    match &entry.value {
        Value::Absent => Ok(code!(true)),
        Value::Is(value @ Expr::Lit(ExprLit { lit, .. })) if !matches!(lit, Lit::Bool(_)) => {
            Err(syn::Error::new_spanned(value, words))
        }
        Value::Is(value) => Ok(value.to_token_stream()),
        Value::List(_) => Err(syn::Error::new(key.span(), words)),
    }
}

/// The names of groups and how many calls of each run at a time.
pub(super) fn groups(entry: &Entry) -> syn::Result<TokenStream> {
    let Value::List(list) = &entry.value else {
        let words = "write `concurrency_groups(\"name\" = 2, ..)`";
        return Err(syn::Error::new(entry.key.span(), words));
    };
    let mut pairs = Vec::new();
    let mut seen = Vec::new();
    for Named { name, value } in list {
        if seen.contains(&name.value()) {
            let words = format!("the group `{}` is given twice; keep one", name.value());
            return Err(syn::Error::new_spanned(name, words));
        }
        seen.push(name.value());
        let refused = match value {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => is_zero(number),
            Expr::Lit(_) | Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => true,
            _ => false,
        };
        if refused {
            let words = "how many calls of the group run at a time: a whole number from 1 up";
            return Err(syn::Error::new_spanned(value, words));
        }
        pairs.push(code!((::std::borrow::Cow::Borrowed(#name), #value)));
    }
    Ok(code!(::std::borrow::Cow::Borrowed({
        const __GROUPS: &[(
            ::std::borrow::Cow<'static, ::core::primitive::str>,
            ::core::primitive::u32,
        )] = &[#(#pairs),*];
        __GROUPS
    })))
}

/// The name of a group.
pub(super) fn group(value: &Expr) -> syn::Result<TokenStream> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => {}
        Expr::Lit(_) | Expr::Unary(_) => {
            let words = "`concurrency_group` is the name of one of the struct's \
                         `concurrency_groups`, e.g. `\"io\"`";
            return Err(syn::Error::new_spanned(value, words));
        }
        _ => {}
    }
    Ok(some(value.to_token_stream()))
}

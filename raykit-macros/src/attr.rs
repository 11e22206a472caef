//! The options in `#[remote(..)]`.

use crate::check::Refusals;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitInt, LitStr, Path, Token, UnOp, parse_quote};

/// What the attribute says. Values are kept as code that gives the field of `__private::Options`.
pub(crate) struct Options {
    /// The path to raykit.
    pub(crate) raykit: Path,
    pub(crate) num_returns: Option<NumReturns>,
    /// Field and value, in the order of the source.
    pub(crate) fields: Vec<(&'static str, TokenStream)>,
}

pub(crate) struct NumReturns {
    pub(crate) count: usize,
    pub(crate) place: LitInt,
}

/// The keys. Messages list them, apart from `labels`, whose time has not come.
const KEYS: [&str; 13] = [
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "labels",
    "max_retries",
    "retry_on",
    "name",
    "timeout",
    "priority",
    "strategy",
    "num_returns",
    "crate",
];

impl Options {
    /// Reads the options; what cannot be read is refused and left out.
    pub(crate) fn read(tokens: TokenStream, refusals: &mut Refusals) -> Options {
        let mut options =
            Options { raykit: parse_quote!(::raykit), num_returns: None, fields: Vec::new() };
        let entries = match Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens) {
            Ok(entries) => entries,
            Err(error) => {
                refusals.push(error);
                return options;
            }
        };
        // The path to raykit comes first, since the other values name it.
        if let Some(Value::Is(Expr::Path(path))) =
            entries.iter().find_map(|entry| entry.of("crate"))
        {
            options.raykit = path.path.clone();
        }
        let mut seen: Vec<&Ident> = Vec::new();
        for entry in &entries {
            if seen.contains(&&entry.key) {
                refusals.at(&entry.key, format!("`{}` is given twice; keep one", entry.key));
                continue;
            }
            seen.push(&entry.key);
            if let Err(error) = options.take(entry) {
                refusals.push(error);
            }
        }
        options
    }

    fn take(&mut self, entry: &Entry) -> syn::Result<()> {
        let Some(key) = KEYS.into_iter().find(|key| entry.key == key) else {
            return Err(unknown(&entry.key));
        };
        let raykit = &self.raykit;
        let value = match key {
            "num_cpus" | "num_gpus" => amount(raykit, key, entry.expression()?)?,
            "memory" | "max_retries" => whole(key, entry.expression()?)?,
            "retry_on" => retry_on(raykit, entry.expression()?),
            "name" => {
                let name = entry.expression()?;
                some(code!(::std::borrow::Cow::Borrowed(#name)))
            }
            "timeout" => some(duration(entry.expression()?)?),
            "priority" => some(entry.expression()?.to_token_stream()),
            "strategy" => strategy(raykit, entry.expression()?)?,
            "resources" => resources(raykit, entry)?,
            "labels" => {
                let words =
                    "labels come with the cluster and are not supported yet; leave them out";
                return Err(syn::Error::new(entry.key.span(), words));
            }
            "num_returns" => {
                self.num_returns = num_returns(entry.expression()?)?;
                return Ok(());
            }
            _ => return renamed(entry.expression()?),
        };
        self.fields.push((key, value));
        Ok(())
    }
}

/// One `key = value` or `key(..)`.
struct Entry {
    key: Ident,
    value: Value,
}

enum Value {
    Absent,
    Is(Expr),
    List(Punctuated<Named, Token![,]>),
}

/// One `"name" = value` in a list.
struct Named {
    name: LitStr,
    value: Expr,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Entry> {
        if input.peek(Lit) {
            let words =
                format!("expected an option such as `num_cpus = 2`; the options are {}", list());
            return Err(input.error(words));
        }
        let key = Ident::parse_any(input)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() {
            Value::Is(input.parse()?)
        } else if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            if key == "resources" {
                Value::List(Punctuated::parse_terminated(&content)?)
            } else {
                content.parse::<TokenStream>()?;
                Value::List(Punctuated::new())
            }
        } else {
            Value::Absent
        };
        Ok(Entry { key, value })
    }
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> syn::Result<Named> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Named { name, value: input.parse()? })
    }
}

impl Entry {
    fn of(&self, key: &str) -> Option<&Value> {
        (self.key == key).then_some(&self.value)
    }

    fn expression(&self) -> syn::Result<&Expr> {
        match &self.value {
            Value::Is(value) => Ok(value),
            _ => Err(syn::Error::new(self.key.span(), format!("write `{} = ..`", self.key))),
        }
    }
}

fn some(value: TokenStream) -> TokenStream {
    code!(::core::option::Option::Some(#value))
}

/// A number from 0, fractions allowed. Other expressions are looked at when they have a value.
fn amount(raykit: &Path, key: &str, value: &Expr) -> syn::Result<TokenStream> {
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

/// A whole number from 0.
fn whole(key: &str, value: &Expr) -> syn::Result<TokenStream> {
    let refused = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) => false,
        Expr::Lit(_) => true,
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => true,
        _ => false,
    };
    if refused {
        let words = match key {
            "memory" => "`memory` is a whole number of bytes from 0 up, e.g. `64 << 20`",
            _ => "`max_retries` is a whole number from 0 up; `u32::MAX` is as good as no limit",
        };
        return Err(syn::Error::new_spanned(value, words));
    }
    Ok(value.to_token_stream())
}

fn duration(value: &Expr) -> syn::Result<TokenStream> {
    if let Expr::Lit(_) | Expr::Unary(_) = value {
        let words = "`timeout` is a `Duration`, e.g. `std::time::Duration::from_secs(10)`";
        return Err(syn::Error::new_spanned(value, words));
    }
    Ok(value.to_token_stream())
}

fn retry_on(raykit: &Path, value: &Expr) -> TokenStream {
    let which = quote_spanned!(located(value)=> #raykit::RetryOn);
    match bare(value) {
        Some(word) if word == "nothing" => code!(#which::Nothing),
        Some(word) if word == "all" => code!(#which::All),
        _ => code!(#which::When(#value)),
    }
}

fn strategy(raykit: &Path, value: &Expr) -> syn::Result<TokenStream> {
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

fn resources(raykit: &Path, entry: &Entry) -> syn::Result<TokenStream> {
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

fn num_returns(value: &Expr) -> syn::Result<Option<NumReturns>> {
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

fn renamed(value: &Expr) -> syn::Result<()> {
    match value {
        Expr::Path(_) => Ok(()),
        _ => Err(syn::Error::new_spanned(value, "`crate` is a path, e.g. `crate = ::my_raykit`")),
    }
}

fn located(value: &Expr) -> Span {
    Span::mixed_site().located_at(value.span())
}

fn list() -> String {
    let known = KEYS.into_iter().filter(|key| *key != "labels");
    known.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn unknown(key: &Ident) -> syn::Error {
    let word = key.to_string();
    let hint = match nearest(&word) {
        Some(nearest) => format!("did you mean `{nearest}`? "),
        None => String::new(),
    };
    let words = format!("there is no option `{word}`; {hint}the options are {}", list());
    syn::Error::new(key.span(), words)
}

/// The key that was probably meant.
fn nearest(word: &str) -> Option<&'static str> {
    let close = |key: &&str| {
        let part = word.len() >= 3 && (key.contains(word) || word.contains(*key));
        if part { 0 } else { distance(word, key) }
    };
    KEYS.into_iter().min_by_key(close).filter(|key| close(key) <= 1 + word.len() / 4)
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

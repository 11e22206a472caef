//! The options in `#[remote(..)]`.

mod keys;
mod values;

use crate::check::Refusals;
use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Lit, LitInt, LitStr, Path, Token, parse_quote};

/// What an attribute stands on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Owner {
    Function,
    /// The struct of an actor.
    Struct,
    /// The `impl` block of an actor.
    Impl,
    /// A method in such a block.
    Method,
}

/// What the attribute says. Values are kept as code that gives the field of `__private::Options`,
/// or of `__private::ActorOptions` for a struct.
pub(crate) struct Options {
    /// The path to raykit.
    pub(crate) raykit: Path,
    pub(crate) num_returns: Option<NumReturns>,
    /// The key `on_stop`, if it is there.
    pub(crate) on_stop: Option<Ident>,
    /// All keys, as they are written.
    pub(crate) keys: Vec<Ident>,
    /// The keys that are of streams alone.
    pub(crate) of_stream: Vec<Ident>,
    /// Field and value, in the order of the source.
    pub(crate) fields: Vec<(&'static str, TokenStream)>,
}

pub(crate) struct NumReturns {
    pub(crate) count: usize,
    pub(crate) place: LitInt,
}

impl Options {
    /// The key of that name, if it is there.
    pub(crate) fn key(&self, name: &str) -> Option<&Ident> {
        self.keys.iter().find(|key| *key == name)
    }

    /// Nothing said.
    pub(crate) fn new(raykit: Path) -> Options {
        Options {
            raykit,
            num_returns: None,
            on_stop: None,
            keys: Vec::new(),
            of_stream: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Reads the options of a function, a struct or an `impl` block; what cannot be read is refused
    /// and left out.
    pub(crate) fn read(tokens: TokenStream, owner: Owner, refusals: &mut Refusals) -> Options {
        Options::read_at(parse_quote!(::raykit), tokens, owner, refusals)
    }

    /// The same where the path to raykit is known already.
    pub(crate) fn read_at(
        raykit: Path,
        tokens: TokenStream,
        owner: Owner,
        refusals: &mut Refusals,
    ) -> Options {
        let mut options = Options::new(raykit);
        let entries = match (|input: ParseStream<'_>| Entry::all(input, owner)).parse2(tokens) {
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
            options.keys.push(entry.key.clone());
            if let Err(error) = options.take(entry, owner) {
                refusals.push(error);
            }
        }
        options
    }

    fn take(&mut self, entry: &Entry, owner: Owner) -> syn::Result<()> {
        let key = keys::known(&entry.key, owner)?;
        let raykit = &self.raykit;
        let (field, value) = match key {
            "num_cpus" | "num_gpus" => (key, values::amount(raykit, key, entry.expression()?)?),
            "resources" => (key, values::resources(raykit, entry)?),
            "labels" => (key, values::labels(entry)?),
            "name" | "namespace" => {
                let name = entry.expression()?;
                (key, values::some(code!(::std::borrow::Cow::Borrowed(#name))))
            }
            "timeout" | "restart_window" => {
                (key, values::some(values::duration(key, entry.expression()?)?))
            }
            "priority" => (key, values::some(entry.expression()?.to_token_stream())),
            "backpressure" | "backpressure_bytes" => {
                self.of_stream.push(entry.key.clone());
                (key, values::some(values::whole(key, entry.expression()?)?))
            }
            "retry_on" => (key, values::retry_on(raykit, entry.expression()?)),
            "strategy" => (key, values::strategy(raykit, entry.expression()?)?),
            "pinned" => {
                entry.bare()?;
                (key, code!(true))
            }
            "lifetime" => ("detached", values::lifetime(entry.expression()?)?),
            "out_of_order" => (key, values::flag(entry)?),
            "concurrency_groups" => ("groups", values::groups(entry)?),
            "concurrency_group" => ("group", values::group(entry.expression()?)?),
            "num_returns" => {
                self.num_returns = values::num_returns(entry.expression()?)?;
                return Ok(());
            }
            "on_stop" => {
                self.on_stop = entry.bare()?;
                return Ok(());
            }
            "crate" => return values::renamed(entry.expression()?),
            _ => (key, values::whole(key, entry.expression()?)?),
        };
        self.fields.push((field, value));
        if key == "max_retries" && owner == Owner::Method {
            self.fields.push(("own_retries", code!(true)));
        }
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

impl Entry {
    fn all(input: ParseStream<'_>, owner: Owner) -> syn::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while !input.is_empty() {
            entries.push(Entry::parse(input, owner)?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(entries)
    }

    fn parse(input: ParseStream<'_>, owner: Owner) -> syn::Result<Entry> {
        if input.peek(Lit) {
            let example = match owner {
                Owner::Function | Owner::Struct => "num_cpus = 2",
                Owner::Impl => "crate = ::my_raykit",
                Owner::Method => "max_retries = 2",
            };
            let words = format!("expected an option such as `{example}`; {}", keys::list(owner));
            return Err(input.error(words));
        }
        let key = Ident::parse_any(input)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() {
            Value::Is(input.parse()?)
        } else if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            if ["resources", "labels", "concurrency_groups"].iter().any(|list| key == list) {
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

    fn of(&self, key: &str) -> Option<&Value> {
        (self.key == key).then_some(&self.value)
    }

    /// The key, which takes no value.
    fn bare(&self) -> syn::Result<Option<Ident>> {
        match &self.value {
            Value::Absent => Ok(Some(self.key.clone())),
            _ => Err(syn::Error::new(self.key.span(), format!("write `{}` alone", self.key))),
        }
    }

    fn expression(&self) -> syn::Result<&Expr> {
        match &self.value {
            Value::Is(value) => Ok(value),
            _ => Err(syn::Error::new(self.key.span(), format!("write `{} = ..`", self.key))),
        }
    }
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> syn::Result<Named> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Named { name, value: input.parse()? })
    }
}

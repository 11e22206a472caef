//! A remote function as the macro understands it.

use crate::attr::Options;
use crate::param::Param;
use proc_macro2::{Ident, Span};
use syn::{GenericArgument, ItemFn, PathArguments, ReturnType, Type, TypeParamBound, parse_quote};

pub(crate) struct Function {
    /// The function as the user wrote it.
    pub(crate) source: ItemFn,
    pub(crate) options: Options,
    pub(crate) params: Vec<Param>,
    pub(crate) output: Output,
}

impl Function {
    pub(crate) fn new(source: ItemFn, options: Options) -> Function {
        let params = Param::all(&source.sig.inputs);
        let output = Output::new(&source.sig.output);
        Function { source, options, params, output }
    }

    /// The function's name where the macro writes it: it points to the user's, and lints know that
    /// a macro wrote it.
    pub(crate) fn name(&self) -> Ident {
        written(&self.source.sig.ident)
    }

    /// Whether it runs as a future.
    pub(crate) fn is_async(&self) -> bool {
        self.is_async_fn() || self.output.stream.as_ref().is_some_and(|stream| stream.is_async)
    }

    pub(crate) fn is_async_fn(&self) -> bool {
        self.source.sig.asyncness.is_some()
    }
}

/// What a function returns.
pub(crate) struct Output {
    /// Whether it is a stream. Then the rest is what each of its items is.
    pub(crate) stream: Option<Stream>,
    /// The return type.
    pub(crate) whole: Type,
    /// What the caller's reference is to: the return type, or what stands in its `Ok`.
    pub(crate) value: Value,
    /// Whether the return type is spelled `Result`.
    pub(crate) fallible: bool,
}

pub(crate) enum Value {
    /// This type.
    Named(Box<Type>),
    /// The `Ok` of the whole type, which hides it behind an alias.
    OkOfWhole,
}

impl Output {
    fn new(output: &ReturnType) -> Output {
        let whole: Type = match output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, whole) => plain(whole).clone(),
        };
        match stream(&whole) {
            Some((stream, item)) => Output::of(item, Some(stream)),
            None => Output::of(whole, None),
        }
    }

    fn of(whole: Type, stream: Option<Stream>) -> Output {
        let (fallible, value) = match result(&whole) {
            Some(Some(ok)) => (true, Value::Named(Box::new(ok))),
            Some(None) => (true, Value::OkOfWhole),
            None => (false, Value::Named(Box::new(whole.clone()))),
        };
        Output { stream, whole, value, fallible }
    }

    /// The error's type where the source shows it, else the whole.
    pub(crate) fn error(&self) -> &Type {
        error(&self.whole)
    }

    /// The fields of the value where the source shows that it is a tuple.
    pub(crate) fn tuple(&self) -> Option<Vec<&Type>> {
        match &self.value {
            Value::Named(value) => match &**value {
                Type::Tuple(tuple) => Some(tuple.elems.iter().collect()),
                _ => None,
            },
            Value::OkOfWhole => None,
        }
    }
}

/// A function that gives its results one after the other.
pub(crate) struct Stream {
    /// Whether it is a `Stream`, and not an iterator.
    pub(crate) is_async: bool,
    /// For one inside a `Result`: the type of that one's error.
    pub(crate) error: Option<Type>,
}

/// What a return type says of a stream, and the type of its items.
fn stream(whole: &Type) -> Option<(Stream, Type)> {
    if let Some(Some(ok)) = result(whole) {
        let (is_async, item) = items(&ok)?;
        return Some((Stream { is_async, error: Some(error(whole).clone()) }, item));
    }
    let (is_async, item) = items(whole)?;
    Some((Stream { is_async, error: None }, item))
}

/// For `impl Iterator<Item = T>` and `impl Stream<Item = T>`: which it is, and the `T`.
fn items(ty: &Type) -> Option<(bool, Type)> {
    let Type::ImplTrait(given) = ty else { return None };
    given.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last()?;
        let is_async = is_stream(&last.ident)?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(named) if named.ident == "Item" => {
                Some((is_async, plain(&named.ty).clone()))
            }
            _ => None,
        })
    })
}

/// Whether a trait's name is that of a stream (`true`) or of an iterator.
pub(crate) fn is_stream(name: &Ident) -> Option<bool> {
    let name = name.to_string();
    let stream = name.ends_with("Stream");
    (stream || name.ends_with("Iterator")).then_some(stream)
}

/// The second type between the angle brackets, else the whole.
fn error(whole: &Type) -> &Type {
    let arguments = match whole {
        Type::Path(path) => path.path.segments.last().map(|last| &last.arguments),
        _ => None,
    };
    let Some(PathArguments::AngleBracketed(arguments)) = arguments else { return whole };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.nth(1).unwrap_or(whole)
}

/// For a type spelled `Result`: what stands first between its angle brackets, if anything does.
fn result(whole: &Type) -> Option<Option<Type>> {
    let Type::Path(path) = whole else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(None) };
    Some(arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ok) => Some(plain(ok).clone()),
        _ => None,
    }))
}

/// The type without the invisible groups and the parentheses around it.
pub(crate) fn plain(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// The same name, in the place of the user's and in the hygiene of the macro.
pub(crate) fn written(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::mixed_site().located_at(name.span()));
    name
}

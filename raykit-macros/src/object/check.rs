//! What can be seen from the words alone: each error stands at its field and names the remedy. What
//! only the compiler knows, it says in the words of the trait `Object`.

use super::parse::Target;
use syn::spanned::Spanned;
use syn::{Data, Error, Expr, ExprLit, GenericArgument, GenericParam, Lit, PathArguments, Result};
use syn::{ReturnType, Type};

const REFERENCE: &str = "an object owns its data, for it may outlive this process: \
    use an owned type here (`String` for `&str`, `Vec<T>` for `&[T]`)";
const POINTER: &str =
    "an address means nothing in another process: it cannot be a part of an object";
const TRAIT_OBJECT: &str = "an object's type is known where it is read: \
    use a concrete type here, or an enum of them";
const MUTABLE: &str = "this can change behind a shared reference, and objects never change: \
    keep plain data here, or put the state into an actor";
const SHARED: &str = "sharing inside an object ends at the process: \
    use the value or a `Box` of it, or an `ObjectRef` to share it everywhere";

/// std's types that can change behind `&`, by name; the first ones with type arguments only.
const CELLS: [&str; 10] = [
    "Cell",
    "RefCell",
    "UnsafeCell",
    "OnceCell",
    "LazyCell",
    "Mutex",
    "RwLock",
    "OnceLock",
    "LazyLock",
    "Weak",
];
const ATOMICS: [&str; 12] = [
    "AtomicBool",
    "AtomicI8",
    "AtomicI16",
    "AtomicI32",
    "AtomicI64",
    "AtomicIsize",
    "AtomicU8",
    "AtomicU16",
    "AtomicU32",
    "AtomicU64",
    "AtomicUsize",
    "AtomicPtr",
];

pub(super) fn check(target: &Target) -> Result<()> {
    let mut errors = Errors(None);
    for parameter in &target.item.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            errors.add(lifetime, REFERENCE);
        }
    }
    if errors.0.is_none() {
        for part in target.shapes.iter().flat_map(|shape| &shape.fields) {
            ty(&part.ty, &mut errors);
        }
    }
    discriminants(target, &mut errors);
    errors.0.map_or(Ok(()), Err)
}

struct Errors(Option<Error>);

impl Errors {
    fn add(&mut self, at: &impl Spanned, message: &str) {
        let error = Error::new(at.span(), message);
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }
}

fn ty(found: &Type, errors: &mut Errors) {
    match found {
        Type::Reference(_) => errors.add(found, REFERENCE),
        Type::Ptr(_) | Type::FnPtr(_) => errors.add(found, POINTER),
        Type::TraitObject(_) | Type::ImplTrait(_) => errors.add(found, TRAIT_OBJECT),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|t| ty(t, errors)),
        Type::Array(array) => ty(&array.elem, errors),
        Type::Slice(slice) => ty(&slice.elem, errors),
        Type::Paren(inner) => ty(&inner.elem, errors),
        Type::Group(inner) => ty(&inner.elem, errors),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            let name = last.ident.to_string();
            let applied = matches!(last.arguments, PathArguments::AngleBracketed(_));
            // `PhantomData<..>` holds nothing; `ObjectRef<..>` holds an index.
            if name == "PhantomData" || name == "ObjectRef" {
            } else if ATOMICS.contains(&&*name) || applied && CELLS.contains(&&*name) {
                errors.add(found, MUTABLE);
            } else if applied && (name == "Arc" || name == "Rc") {
                errors.add(found, SHARED);
            } else {
                arguments(&last.arguments, errors);
            }
        }
        _ => {}
    }
}

fn arguments(arguments: &PathArguments, errors: &mut Errors) {
    match arguments {
        PathArguments::None => {}
        PathArguments::AngleBracketed(list) => {
            for argument in &list.args {
                if let GenericArgument::Type(argument) = argument {
                    ty(argument, errors);
                }
            }
        }
        PathArguments::Parenthesized(list) => {
            list.inputs.iter().for_each(|argument| ty(&argument.ty, errors));
            if let ReturnType::Type(_, result) = &list.output {
                ty(result, errors);
            }
        }
    }
}

/// An archived enum keeps its tag in one byte.
fn discriminants(target: &Target, errors: &mut Errors) {
    let Data::Enum(data) = &target.item.data else { return };
    if data.variants.is_empty() {
        errors.add(&target.item.ident, "an enum without variants has no values to store");
    }
    for (_, value) in data.variants.iter().filter_map(|v| v.discriminant.as_ref()) {
        let fits = match value {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u8>().is_ok(),
            Expr::Lit(ExprLit { lit: Lit::Byte(_), .. }) => true,
            Expr::Unary(_) => false,
            _ => true,
        };
        if !fits {
            let message = "an object's discriminants are 0 to 255: \
                leave it out here and give the number in a function of the enum";
            errors.add(value, message);
        }
    }
}

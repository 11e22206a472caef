//! The attributes of raykit.

mod object;

use proc_macro::TokenStream;

/// Makes a struct or an enum an object: a value that can be an argument, a result, and stored.
///
/// ```
/// use raykit::prelude::*;
///
/// #[object]
/// #[derive(Debug, PartialEq)]
/// struct Tree<T> {
///     value: T,
///     children: Vec<Tree<T>>,
///     seen_from: Option<ObjectRef<Self>>,
/// }
/// # let leaf = Tree { value: 1_u8, children: vec![], seen_from: None };
/// # assert_eq!(leaf.clone(), leaf);
/// ```
///
/// All fields have to be objects; generic, recursive and local types are fine. Put the attribute
/// above the derives, for it looks at them:
///
/// - `Clone` is derived unless it stands there; say `#[object(has_clone)]` where you implement it.
/// - A type with `Hash` and `Eq`, or `Ord`, can be a key of a map: its archived type derives the
///   same.
///   Where the type is generic, or one inside it implements them by hand, do so for `ArchivedName`
///   too.
///
/// The archived type, read through a `View`, is called `ArchivedName` and has the same fields with
/// the same visibility. `#[object(derive(Debug))]` lets it derive traits of your choice instead of
/// the above. `#[object(crate = path)]` says where raykit is if you gave it another name.
///
/// # Types that contain each other
///
/// A type may contain itself. Of two types that contain *each other* one field has to say that it
/// takes part in the schema by its name alone, or the compiler reports a cycle (E0391) or an
/// overflow (E0275):
///
/// ```
/// # use raykit::prelude::*;
/// #[object]
/// struct Folder {
///     entries: Vec<Entry>,
/// }
///
/// #[object]
/// enum Entry {
///     File(String),
///     Folder(#[object(shallow)] Folder),
/// }
/// # let _ = Folder { entries: vec![Entry::File(String::new())] };
/// ```
///
/// Nesting may go 128 levels deep: a longer list is better a `Vec`.
#[proc_macro_attribute]
pub fn object(arguments: TokenStream, item: TokenStream) -> TokenStream {
    object::object(arguments.into(), item.into()).into()
}

/// Stub.
#[proc_macro_attribute]
pub fn remote(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}

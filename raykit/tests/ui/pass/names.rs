//! Names that could clash do not.
#![allow(warnings, reason = "odd names are the point of this program")]

use raykit::remote;

// Names of the prelude and of what the attribute writes.
#[remote]
fn drop(x: i64) -> i64 {
    x
}
#[remote]
fn vec(options: i64, items: i64) -> i64 {
    options + items
}
#[remote]
fn r#type(r#fn: i64) -> i64 {
    r#fn
}
#[remote]
fn same(same: i64) -> i64 {
    same
}
#[remote]
fn inside(call: i64, error: String, value: bool, __a0: i64, raykit: i64) -> Result<i64, String> {
    if value { Err(error) } else { Ok(call + __a0 + raykit) }
}
#[remote]
fn many((a, b): (i64, i64), arg0: i64) -> i64 {
    a + b + arg0
}

mod shadowed {
    //! Everything that a careless expansion would name.
    pub struct Option;
    pub struct String;
    pub struct Vec;
    pub struct Box;
    pub struct Self_;
    pub struct f64;
    pub struct u32;
    pub trait Into {}
    pub trait Clone {}
    pub trait IntoIterator {}
    pub fn Some() {}
    pub fn Ok() {}
    pub fn Err() {}

    type Result<T> = std::result::Result<T, std::io::Error>;

    #[raykit::remote(num_cpus = 1, resources("a" = 1))]
    pub fn function(x: i64, y: &str, z: &[i64]) -> Result<i64> {
        let _ = (Option, String, Vec, Box, Self_, f64, u32, Some(), Ok(), Err());
        std::result::Result::Ok(x + y.len() as i64 + z.len() as i64)
    }

    #[raykit::remote]
    pub async fn other(x: i64, y: &str, z: &[i64]) -> i64 {
        x + y.len() as i64 + z.len() as i64
    }
}

mod whole {
    //! An alias with nothing between angle brackets.
    type Result = std::result::Result<i64, String>;
    #[raykit::remote]
    pub fn aliased() -> Result {
        Ok(1)
    }
}

mod renamed {
    //! raykit under another name.
    extern crate raykit as other_name;
    use std as raykit;

    #[other_name::remote(crate = other_name)]
    pub fn function(x: i64) -> i64 {
        raykit::convert::identity(x)
    }
}

macro_rules! make {
    ($name:ident: $ty:ty) => {
        #[raykit::remote]
        fn $name(x: $ty, y: &$ty) -> $ty {
            x + *y
        }
    };
}
make!(add_i64: i64);
make!(add_f64: f64);

fn first() {
    #[remote]
    fn local() -> i64 {
        1
    }
    local();
}
fn second() {
    #[remote]
    fn local() -> i64 {
        2
    }
    local();
}
struct Type;
impl Type {
    fn method() {
        #[remote]
        fn local() -> i64 {
            3
        }
        local();
    }
}

fn main() {
    first();
    second();
    Type::method();
    drop(1);
    let _ = vec![vec(1, 2), r#type(1), same(1), many((1, 2), 3), add_i64(1, &2)];
    let _ = (inside(1, String::new(), false, 1, 1), add_f64(1.0, &2.0));
    let _ = (shadowed::function(1, "", &[]), shadowed::other(1, "", &[]), whole::aliased());
    let _ = renamed::function(1);
    let functions = raykit::functions();
    let local: Vec<String> =
        functions.iter().filter(|f| f.name() == "local").map(|f| f.key()).collect();
    assert_eq!(local.len(), 3, "{local:?}");
    assert_eq!(functions.len(), 15, "{functions:?}");
    if std::env::args().count() > 100 {
        let _ = (drop::remote(1), vec::remote(1, 2), r#type::remote(1), same::remote(2));
        let _ = (inside::remote(1, "e", true, 2, 3), many::remote((1, 2), 3));
        let _ = (shadowed::function::remote(1, "", [1]), renamed::function::remote(1));
        let _: raykit::ObjectRef<i64> = whole::aliased::remote();
        let _ = (
            add_i64::remote(1, 2),
            add_f64::map([(1.0, 2.0)]),
            shadowed::other::remote(1, "", vec![]),
        );
    }
}

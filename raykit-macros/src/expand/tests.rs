use super::remote;
use proc_macro2::TokenStream;
use quote::quote;

/// What the attribute makes of this, as text without white space.
fn made(options: TokenStream, item: TokenStream) -> String {
    remote(options, item).to_string().split_whitespace().collect()
}

fn holds(options: TokenStream, item: TokenStream, parts: &[&str]) {
    let made = made(options, item);
    for part in parts {
        let part: String = part.split_whitespace().collect();
        assert!(made.contains(&part), "no `{part}` in\n{made}");
    }
}

#[test]
fn parameters() {
    let own = quote!(
        fn f(x: i64) {}
    );
    holds(
        quote!(),
        own,
        &[
            "x: impl ::raykit::IntoArg<i64, __M0>",
            "<i64 as ::raykit::__private::Param>::take(&mut call, 0usize)?",
        ],
    );
    let text = quote!(
        fn f(x: &str, (a, b): (i64, i64), call: &[f64]) {}
    );
    let parts = [
        "x: impl ::raykit::IntoArg<::std::string::String, __M0>",
        "arg1: impl",
        "<[f64] as ::raykit::__private::Lend>::hold(&mut call, 2usize)?",
        "f(<str as ::raykit::__private::Lend>::lend(&__a0), __a1",
    ];
    holds(quote!(), text, &parts);
}

#[test]
fn results() {
    let fallible = quote!(
        fn f() -> std::io::Result<i64> {}
    );
    holds(
        quote!(),
        fallible,
        &[
            "ObjectRef<i64>",
            "<std::io::Result<i64> as ::raykit::__private::Fails>::into_result(f())",
        ],
    );
    let alias = quote!(
        fn f() -> Result {}
    );
    holds(quote!(), alias, &["ObjectRef<<Result as ::raykit::__private::Fails>::Ok>"]);
    let two = quote!(
        fn f() -> (A, B) {}
    );
    holds(
        quote!(num_returns = 2),
        two,
        &["(::raykit::ObjectRef<A>, ::raykit::ObjectRef<B>)", "returns: 2u32"],
    );
}

#[test]
fn signatures() {
    fn text(item: TokenStream) -> String {
        let item: syn::ItemFn = syn::parse2(item).expect("a function");
        super::signature::text(&item.sig)
    }
    let plain = quote!(
        pub fn double(x: i64) -> i64 {}
    );
    assert_eq!(text(plain), "fn double(x: i64) -> i64");
    let much = quote!(
        async fn f(
            mut a: &[u8],
            (b, c): (i64, Vec<Option<u8>>),
            d: [u8; 4],
            Point { x, .. }: Point,
        ) -> std::io::Result<()> {
        }
    );
    assert_eq!(
        text(much),
        "async fn f(mut a: &[u8], (b, c): (i64, Vec<Option<u8>>), d: [u8; 4], \
         Point { x, .. }: Point) -> std::io::Result<()>"
    );
    let calls = quote!(
        fn r#type(f: fn(i64) -> i64, g: Box<dyn Fn() + Send>) {}
    );
    assert_eq!(text(calls), "fn r#type(f: fn(i64) -> i64, g: Box<dyn Fn() + Send>)");
}

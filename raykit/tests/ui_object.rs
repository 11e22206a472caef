//! The compiler's words where a type cannot be an object.

#[test]
fn words() {
    trybuild::TestCases::new().compile_fail("tests/ui_object/*.rs");
}

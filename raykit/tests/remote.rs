//! `#[remote]` functions, called as tasks.

use raykit::prelude::*;
use std::sync::Arc;

#[remote]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[remote]
fn join(words: &[String], by: &str) -> String {
    words.join(by)
}

#[test]
fn arguments() -> raykit::Result<()> {
    let _ray = raykit::init()?;
    let three = add::remote(1, 2);
    assert_eq!(add::remote(&three, three.clone()).get()?, 6);
    assert_eq!(add::remote(&4, Arc::new(5)).get()?, 9);
    let words = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(join::remote(&words, "-").get()?, "a-b");
    assert_eq!(join::remote(words.as_slice(), String::from("+")).get()?, "a+b");
    assert_eq!(join::remote(raykit::put(words)?, raykit::put(" ".to_owned())?).get()?, "a b");
    Ok(())
}

#[test]
fn a_reference_as_it_is() -> raykit::Result<()> {
    #[remote]
    fn follow(reference: ObjectRef<i64>) -> raykit::Result<i64> {
        reference.get()
    }
    let _ray = raykit::init()?;
    assert_eq!(follow::remote(add::remote(1, 2)).get()?, 3);
    Ok(())
}

#[test]
fn maps() -> raykit::Result<()> {
    #[remote]
    fn double(x: i64) -> i64 {
        2 * x
    }
    let _ray = raykit::init()?;
    assert_eq!(raykit::get(&double::map(0..3))?, [0, 2, 4]);
    assert_eq!(raykit::get(&add::map([(1, 2), (3, 4)]))?, [3, 7]);
    let sums = add::options().num_cpus(0.5).map(double::map(0..2).into_iter().zip(0..2));
    assert_eq!(raykit::get(&sums)?, [0, 3]);
    Ok(())
}

#[test]
fn several_results() -> raykit::Result<()> {
    #[remote(num_returns = 3)]
    fn parts(text: &str) -> anyhow::Result<(String, usize, bool)> {
        anyhow::ensure!(!text.is_empty(), "nothing to take apart");
        Ok((text.to_owned(), text.len(), true))
    }
    let _ray = raykit::init()?;
    let (text, size, flag) = parts::remote("abc");
    assert_eq!((text.get()?, size.get()?, flag.get()?), ("abc".to_owned(), 3, true));
    let (text, size, _) = parts::remote("");
    assert!(text.get().is_err() && size.get().is_err());
    Ok(())
}

#[test]
fn futures() -> raykit::Result<()> {
    #[remote]
    async fn later(text: &str) -> String {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        text.to_uppercase()
    }
    let _ray = raykit::init()?;
    assert_eq!(later::remote("abc").get()?, "ABC");
    Ok(())
}

//! quick
use raykit::prelude::*;
use std::time::Instant;

#[remote]
fn empty() {}

#[remote]
fn inc(x: u64) -> u64 {
    x + 1
}

#[remote]
fn tree(depth: u32, width: u32) -> Result<u64, raykit::Error> {
    if depth == 0 {
        return Ok(1);
    }
    let children: Vec<_> = (0..width).map(|_| tree::remote(depth - 1, width)).collect();
    Ok(1 + raykit::get(&children)?.iter().sum::<u64>())
}

fn med(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    let t = Instant::now();
    let _ray = raykit::init().unwrap();
    empty::remote().get().unwrap();
    println!("init to first {:?}", t.elapsed());
    if which.is_empty() || which == "lat" {
        let mut v = vec![];
        for _ in 0..20000 {
            let t = Instant::now();
            empty::remote().get().unwrap();
            v.push(t.elapsed().as_nanos() as f64 / 1e3);
        }
        println!("back to back p50 {:.2} us", med(v));
        let mut v = vec![];
        for _ in 0..200 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            let t = Instant::now();
            empty::remote().get().unwrap();
            v.push(t.elapsed().as_nanos() as f64 / 1e3);
        }
        println!("after idle p50 {:.2} us", med(v));
    }
    if which.is_empty() || which == "bulk" || which == "only" {
        for _ in 0..if which == "only" { 12 } else { 5 } {
            let t = Instant::now();
            let refs: Vec<_> = (0..1_000_000).map(|_| empty::remote()).collect();
            let sub = t.elapsed();
            raykit::get(&refs).unwrap();
            let got = t.elapsed();
            drop(refs);
            println!("1M raykit: submit {sub:?} got {got:?} dropped {:?}", t.elapsed());
        }
        if which == "only" {
            return;
        }
        let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        for _ in 0..3 {
            let t = Instant::now();
            rt.block_on(async {
                let h: Vec<_> = (0..1_000_000).map(|_| tokio::spawn(async {})).collect();
                for h in h {
                    h.await.unwrap();
                }
            });
            println!("1M tokio: {:?}", t.elapsed());
        }
        for _ in 0..3 {
            let t = Instant::now();
            let n = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            for _ in 0..1_000_000 {
                let n = n.clone();
                rayon::spawn(move || {
                    n.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                });
            }
            while n.load(std::sync::atomic::Ordering::Relaxed) < 1_000_000 {
                std::hint::spin_loop();
            }
            println!("1M rayon: {:?}", t.elapsed());
        }
    }
    if which.is_empty() || which == "tree" {
        for _ in 0..3 {
            let t = Instant::now();
            assert_eq!(tree::remote(5, 10).get().unwrap(), 111_111);
            println!("tree 111111: {:.3} us a task", t.elapsed().as_nanos() as f64 / 111_111e3);
        }
    }
    if which.is_empty() || which == "chain" {
        for _ in 0..5 {
            let t = Instant::now();
            let mut r = inc::remote(0);
            for _ in 1..1000 {
                r = inc::remote(r);
            }
            assert_eq!(r.get().unwrap(), 1000);
            println!("chain: {:.3} us a link", t.elapsed().as_nanos() as f64 / 1e6);
        }
    }
}

//! Calls of eight bytes between two processes, as other libraries make them.
//!
//! ```text
//! raykit-bench-net-peers serve tonic 127.0.0.1        says where it can be reached, and serves
//! raykit-bench-net-peers one tonic ADDRESS 2000       the median time of so many, one by one
//! raykit-bench-net-peers many tonic ADDRESS 50000     seconds for so many, 256 in flight (kameo: 64)
//! ```

mod with_kameo;
mod with_tarpc;
mod with_tonic;

use std::error::Error;
use std::net::IpAddr;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const IN_FLIGHT: usize = 256;
/// kameo's connections take no 256 streams, and it has one for each call.
const KAMEO_IN_FLIGHT: usize = 64;
/// So many before those that count.
const WARM: usize = 500;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", name, listen] => {
            let listen: IpAddr = listen.parse()?;
            match name {
                "tonic" => alone()?.block_on(with_tonic::serve(listen)),
                "tarpc" => alone()?.block_on(with_tarpc::serve(listen)),
                _ => all_cores()?.block_on(with_kameo::serve(listen)),
            }
        }
        [how, name, address, calls] => {
            let (calls, in_flight) = (calls.parse()?, if how == "one" { 1 } else { IN_FLIGHT });
            let seconds = match name {
                "tonic" => alone()?.block_on(async {
                    measure(with_tonic::Client::dial(address).await?, in_flight, calls).await
                }),
                "tarpc" => alone()?.block_on(async {
                    measure(with_tarpc::Client::dial(address).await?, in_flight, calls).await
                }),
                _ => all_cores()?.block_on(async {
                    measure(
                        with_kameo::Client::dial(address).await?,
                        in_flight.min(KAMEO_IN_FLIGHT),
                        calls,
                    )
                    .await
                }),
            };
            println!("{}", seconds?);
            Ok(())
        }
        _ => Err("serve NAME ADDRESS, or one | many NAME ADDRESS CALLS".into()),
    }
}

/// One thread: what serves small messages fastest.
fn alone() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn all_cores() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

trait Add: Clone + Send + 'static {
    fn add(&mut self, by: u64) -> impl Future<Output = Outcome<u64>> + Send;
}

async fn measure(mut client: impl Add, in_flight: usize, calls: usize) -> Outcome<f64> {
    for _ in 0..WARM {
        client.add(1).await?;
    }
    if in_flight == 1 {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begun = Instant::now();
            client.add(1).await?;
            times.push(begun.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        return Ok(times[calls / 2]);
    }
    let begun = Instant::now();
    let callers: Vec<_> = (0..in_flight)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                for _ in 0..calls / in_flight {
                    client.add(1).await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(begun.elapsed().as_secs_f64())
}

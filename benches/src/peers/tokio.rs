//! tokio, multi-threaded.

use crate::bench::{Outcome, cores, timed};
use tokio::runtime::{Builder, Runtime};

pub(crate) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(cores()).build()?)
}

/// Spawns empty tasks from outside the workers, then awaits all of them.
pub(crate) fn spawn_and_await(runtime: &Runtime, tasks: usize) -> Outcome<f64> {
    let (seconds, done) = timed(|| {
        runtime.block_on(async {
            let handles: Vec<_> = (0..tasks).map(|_| tokio::spawn(async {})).collect();
            for handle in handles {
                handle.await?;
            }
            Ok::<(), tokio::task::JoinError>(())
        })
    });
    done?;
    Ok(seconds)
}

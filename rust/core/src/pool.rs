//! Private rayon pools and the rule for their size.
//!
//! The global rayon pool belongs to the application; this crate never touches it. Pools are kept
//! per size and per process, so that a forked child (whose parent's worker threads do not exist
//! in it) builds its own instead of waiting for ever.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, Result};

type Pools = Mutex<HashMap<(u32, usize), Arc<ThreadPool>>>;

static POOLS: OnceLock<Pools> = OnceLock::new();
static DEFAULT_THREADS: AtomicUsize = AtomicUsize::new(0);

/// A pool is never larger, whatever is asked for; results are the same for any number.
pub const MOST_THREADS: usize = 1024;

/// Set the default number of threads of this process; zero returns to the automatic rule.
pub fn set_default_threads(threads: usize) {
    DEFAULT_THREADS.store(threads, Relaxed);
}

/// The number of threads a call uses when it does not say.
///
/// [`set_default_threads`] first, then `TWOSTEP_NUM_THREADS`, then `RAYON_NUM_THREADS`, else the
/// cores available to this process (cgroup limits included) shared among the `LOCAL_WORLD_SIZE`
/// processes of a distributed run.
#[must_use]
pub fn default_threads() -> usize {
    match DEFAULT_THREADS.load(Relaxed) {
        0 => {}
        threads => return threads,
    }
    ["TWOSTEP_NUM_THREADS", "RAYON_NUM_THREADS"]
        .iter()
        .find_map(|name| positive_from_environment(name))
        .unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            (cores / positive_from_environment("LOCAL_WORLD_SIZE").unwrap_or(1)).max(1)
        })
}

fn positive_from_environment(name: &str) -> Option<usize> {
    std::env::var(name)
        .ok()?
        .trim()
        .parse()
        .ok()
        .filter(|&value| value > 0)
}

/// The pool with `threads` workers (`None`: [`default_threads`]).
pub fn pool(threads: Option<usize>) -> Result<Arc<ThreadPool>> {
    let threads = threads.unwrap_or_else(default_threads);
    if threads == 0 {
        return Err(Error::OutOfRange {
            name: "threads",
            expected: "at least 1",
            got: 0.0,
        });
    }
    let threads = threads.min(MOST_THREADS);
    let mut pools = POOLS
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&(std::process::id(), threads)) {
        return Ok(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("twostep-{index}"))
        .build()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let pool = Arc::new(pool);
    pools.insert((std::process::id(), threads), Arc::clone(&pool));
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_the_size_asked_for_and_is_reused() {
        let first = pool(Some(3)).expect("three threads");
        let second = pool(Some(3)).expect("three threads");
        assert_eq!(first.current_num_threads(), 3);
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn zero_threads_is_refused() {
        assert!(matches!(
            pool(Some(0)),
            Err(Error::OutOfRange {
                name: "threads",
                ..
            })
        ));
    }
}

//! Private rayon pools and the rule for their size.
//!
//! The global rayon pool belongs to the application; this crate never touches it. A call has a
//! pool to itself while it lasts, so that calls from several threads run side by side. Pools at
//! rest are kept per size and per process: a forked child (whose parent's worker threads do not
//! exist in it) builds its own instead of waiting for ever.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, Result};

/// Pools at rest, by process and size.
type Pools = HashMap<(u32, usize), Vec<ThreadPool>>;

static AT_REST: OnceLock<Mutex<Pools>> = OnceLock::new();
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

/// A pool on loan; it goes back to rest when this is dropped.
#[derive(Debug)]
pub struct Loan {
    pool: Option<ThreadPool>,
}

impl Deref for Loan {
    type Target = ThreadPool;

    fn deref(&self) -> &ThreadPool {
        self.pool.as_ref().expect("held until the drop")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let key = (std::process::id(), pool.current_num_threads());
            at_rest().entry(key).or_default().push(pool);
        }
    }
}

/// A pool of `threads` workers (`None`: [`default_threads`]) that nobody else uses meanwhile.
pub fn pool(threads: Option<usize>) -> Result<Loan> {
    let threads = threads.unwrap_or_else(default_threads);
    if threads == 0 {
        return Err(Error::OutOfRange {
            name: "threads",
            expected: "at least 1",
            got: 0.0,
        });
    }
    let threads = threads.min(MOST_THREADS);
    let resting = at_rest()
        .get_mut(&(std::process::id(), threads))
        .and_then(Vec::pop);
    let pool = match resting {
        Some(pool) => pool,
        None => ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("twostep-{index}"))
            .build()
            .map_err(|error| Error::Internal(error.to_string()))?,
    };
    Ok(Loan { pool: Some(pool) })
}

/// What `each` makes of `0..count`, in order, by all workers of the pool that this runs in. Outside
/// of a pool, as in one of a single worker, the calling thread does it.
pub(crate) fn in_order<T: Send>(count: usize, each: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
    if alone() {
        (0..count).map(each).collect()
    } else {
        (0..count).into_par_iter().map(each).collect()
    }
}

/// What `each` makes of chunks of `size` items, given the place of the first, in order; by the
/// workers that [`in_order`] has.
pub(crate) fn in_chunks<T: Send, R: Send>(
    items: &mut [T],
    size: usize,
    each: impl Fn(usize, &mut [T]) -> R + Send + Sync,
) -> Vec<R> {
    let each = |(chunk, items): (usize, &mut [T])| each(chunk * size, items);
    if alone() {
        items.chunks_mut(size).enumerate().map(each).collect()
    } else {
        items.par_chunks_mut(size).enumerate().map(each).collect()
    }
}

/// The results of two functions; by the workers that [`in_order`] has.
pub(crate) fn both<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    if alone() {
        (one(), other())
    } else {
        rayon::join(one, other)
    }
}

/// Whether nobody is there but the calling thread.
fn alone() -> bool {
    rayon::current_thread_index().is_none() || rayon::current_num_threads() == 1
}

fn at_rest() -> MutexGuard<'static, Pools> {
    AT_REST
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(loan: &Loan) -> Option<std::thread::ThreadId> {
        loan.install(|| Some(std::thread::current().id()))
    }

    #[test]
    fn a_pool_has_the_size_asked_for_and_is_reused_once_at_rest() {
        // No other test asks for 17, so that nobody takes it in between.
        let first = pool(Some(17)).expect("seventeen threads");
        assert_eq!(first.current_num_threads(), 17);
        let before: Vec<_> = first.broadcast(|_| std::thread::current().id());
        drop(first);
        let again = pool(Some(17)).expect("seventeen threads");
        let after: Vec<_> = again.broadcast(|_| std::thread::current().id());
        assert_eq!(before, after);
    }

    #[test]
    fn two_calls_at_a_time_have_workers_of_their_own() {
        let (first, second) = (pool(Some(1)).expect("one"), pool(Some(1)).expect("one"));
        assert_ne!(worker(&first), worker(&second));
    }

    #[test]
    fn work_in_order_stays_outside_of_pools_where_it_starts() {
        let here = std::thread::current().id();
        let who = |_| std::thread::current().id();
        assert_eq!(in_order(100, who), vec![here; 100]);
        let loan = pool(Some(3)).expect("three threads");
        let (squares, who) = loan.install(|| (in_order(100, |k| k * k), in_order(100, who)));
        assert!(squares.into_iter().eq((0..100).map(|k| k * k)));
        assert!(!who.contains(&here));
    }

    #[test]
    fn chunks_and_pairs_are_done_where_work_in_order_is() {
        let here = std::thread::current().id();
        let who = || std::thread::current().id();
        let double = |first: usize, items: &mut [usize]| {
            for (place, item) in items.iter_mut().enumerate() {
                assert_eq!(*item, first + place);
                *item *= 2;
            }
            (first, who())
        };
        let mut items: Vec<usize> = (0..100).collect();
        let firsts = in_chunks(&mut items, 30, double);
        assert_eq!(firsts, [0, 30, 60, 90].map(|first| (first, here)));
        assert_eq!(both(who, who), (here, here));
        let loan = pool(Some(2)).expect("two threads");
        let (items, firsts, both) = loan.install(|| {
            let mut items: Vec<usize> = (0..100).collect();
            let firsts = in_chunks(&mut items, 30, double);
            (items, firsts, both(who, who))
        });
        assert!(
            items
                .iter()
                .enumerate()
                .all(|(place, item)| *item == 2 * place)
        );
        assert!(firsts.iter().all(|&(_, thread)| thread != here));
        assert!(both.0 != here && both.1 != here);
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

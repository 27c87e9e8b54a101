//! A limit of time for solves that may never end.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use twostep_core::{Control, Error, Result};

/// Thousands of times what a problem takes here.
const LIMIT: Duration = Duration::from_secs(180);

/// The result of `solve`, which is cancelled, and fails the test, once the limit has passed.
pub(crate) fn in_time<T>(solve: impl FnOnce(&Control) -> Result<T>) -> Result<T> {
    let control = Control::new();
    thread::scope(|scope| {
        let (done, waits) = channel::<()>();
        let guard = &control;
        scope.spawn(move || {
            if waits.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                guard.cancel();
            }
        });
        let result = solve(&control);
        drop(done);
        assert!(
            !matches!(result, Err(Error::Cancelled)),
            "no end after {LIMIT:?}"
        );
        result
    })
}

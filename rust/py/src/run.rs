//! The one door between Python and the core.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use twostep_core::{Control, Error, Result, pool};

use crate::error::to_python;

/// How often the waiting thread looks for signals and reports progress.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// Run `work` on a pool of `threads` workers without holding the interpreter.
///
/// The calling thread waits, asks Python for pending signals every 50 ms (Ctrl-C cancels the
/// work and raises `KeyboardInterrupt`) and calls `progress(done, total)` when it is given; an
/// exception in there cancels too. A panic in the core becomes a `RuntimeError`.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Control) -> Result<T> + Send,
) -> PyResult<T> {
    let pool = pool::pool(threads).map_err(|error| to_python(&error))?;
    let control = Control::new();
    let outcome = Mutex::new(None);
    let finished = Condvar::new();
    let progress = progress.map(|callback| callback.clone().unbind());

    let waited: PyResult<()> = py.detach(|| {
        pool.in_place_scope(|scope| {
            scope.spawn(|_| {
                let result = catch_unwind(AssertUnwindSafe(|| work(&control)))
                    .unwrap_or_else(|_| Err(Error::Internal("a worker panicked".into())));
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                finished.notify_one();
            });
            let mut failure = Ok(());
            let mut guard = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            while guard.is_none() {
                let (reacquired, timeout) = finished
                    .wait_timeout(guard, SIGNAL_INTERVAL)
                    .unwrap_or_else(PoisonError::into_inner);
                guard = reacquired;
                if timeout.timed_out() && guard.is_none() && failure.is_ok() {
                    drop(guard);
                    failure = Python::attach(|py| attend(py, progress.as_ref(), &control));
                    if failure.is_err() {
                        control.cancel();
                    }
                    guard = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                }
            }
            failure
        })
    });
    waited?;
    let result = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    result
        .unwrap_or_else(|| Err(Error::Internal("no result".into())))
        .map_err(|error| to_python(&error))
}

/// [`run`] for work that stays with the thread that it is started by outside of a pool: with a
/// single thread, or where `several` do not pay, the calling one does it. To wake another and to be
/// woken by it would take as long as a small problem.
///
/// Signals are looked for at the checks of the control.
pub(crate) fn run_or_stay<T: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    several: bool,
    work: impl FnOnce(&Control) -> Result<T> + Send,
) -> PyResult<T> {
    let wanted = threads.unwrap_or_else(pool::default_threads);
    // A pool says what is wrong with none.
    if wanted == 0 || (wanted > 1 && several) {
        return run(py, threads, None, work);
    }
    let raised = Arc::new(Mutex::new(None));
    let signal = Arc::clone(&raised);
    let control = Control::attended(SIGNAL_INTERVAL, move || {
        let raised = Python::attach(look_for_signals).err();
        let go_on = raised.is_none();
        if !go_on {
            // Several threads may look at once, and only one of them is told.
            *signal.lock().unwrap_or_else(PoisonError::into_inner) = raised;
        }
        go_on
    });
    let result = py.detach(|| {
        catch_unwind(AssertUnwindSafe(|| work(&control)))
            .unwrap_or_else(|_| Err(Error::Internal("a worker panicked".into())))
    });
    let raised = raised.lock().unwrap_or_else(PoisonError::into_inner).take();
    match raised {
        Some(error) => Err(error),
        None => result.map_err(|error| to_python(&error)),
    }
}

fn look_for_signals(py: Python<'_>) -> PyResult<()> {
    py.check_signals()
}

fn attend(py: Python<'_>, progress: Option<&Py<PyAny>>, control: &Control) -> PyResult<()> {
    py.check_signals()?;
    if let Some(callback) = progress {
        callback.call1(py, control.progress())?;
    }
    Ok(())
}

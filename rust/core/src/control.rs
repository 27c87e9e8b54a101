//! Cancellation and progress of long loops.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::{Error, Result};

/// Shared between a computation and whoever waits for it.
///
/// The computation calls [`Control::check`] often (a relaxed atomic load) and
/// [`Control::advance`] after each unit of work; the waiter reads [`Control::progress`] and may
/// [`Control::cancel`].
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Control {
    /// A control that nobody has cancelled, with no work known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ask the computation to stop at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// `Err(Cancelled)` once someone asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Relaxed) {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Announce the total number of units of work; zero means unknown.
    pub fn set_total(&self, total: u64) {
        self.total.store(total, Relaxed);
    }

    /// Count finished units of work.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Relaxed);
    }

    /// Units done and units in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Relaxed), self.total.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancel_is_seen_by_check() {
        let control = Control::new();
        assert_eq!(control.check(), Ok(()));
        control.cancel();
        assert_eq!(control.check(), Err(Error::Cancelled));
    }

    #[test]
    fn progress_adds_up() {
        let control = Control::new();
        control.set_total(10);
        control.advance(3);
        control.advance(4);
        assert_eq!(control.progress(), (7, 10));
    }
}

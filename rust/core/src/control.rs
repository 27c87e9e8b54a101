//! Cancellation and progress of long loops.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Shared between a computation and whoever waits for it.
///
/// The computation calls [`Control::check`] often (a relaxed atomic load) and
/// [`Control::advance`] after each unit of work; the waiter reads [`Control::progress`] and may
/// [`Control::cancel`]. Where the computation runs on the thread that would wait, an attendant
/// does at its checks what the waiter would ([`Control::attended`]).
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    attendant: Option<Attendant>,
}

struct Attendant {
    start: Instant,
    interval: Duration,
    /// Intervals that have been attended to.
    attended: AtomicU64,
    attend: Box<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Attendant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Attendant").finish_non_exhaustive()
    }
}

impl Attendant {
    /// Whether an interval has passed that nobody has attended to.
    fn is_due(&self) -> bool {
        let passed = self.start.elapsed().as_nanos() / self.interval.as_nanos().max(1);
        self.attended.fetch_max(passed as u64, Relaxed) < passed as u64
    }
}

impl Control {
    /// A control that nobody has cancelled, with no work known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A control that calls `attend` at a check, once in every `interval`, and cancels when that
    /// returns `false`.
    #[must_use]
    pub fn attended(interval: Duration, attend: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            attendant: Some(Attendant {
                start: Instant::now(),
                interval,
                attended: AtomicU64::new(0),
                attend: Box::new(attend),
            }),
            ..Self::default()
        }
    }

    /// Ask the computation to stop at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// `Err(Cancelled)` once someone asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Relaxed) {
            return Err(Error::Cancelled);
        }
        if let Some(attendant) = &self.attendant
            && attendant.is_due()
            && !(attendant.attend)()
        {
            self.cancel();
            return Err(Error::Cancelled);
        }
        Ok(())
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
    use std::sync::Arc;

    use super::*;

    #[test]
    fn cancel_is_seen_by_check() {
        let control = Control::new();
        assert_eq!(control.check(), Ok(()));
        control.cancel();
        assert_eq!(control.check(), Err(Error::Cancelled));
    }

    #[test]
    fn an_attendant_is_asked_now_and_then_and_can_cancel() {
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let interval = Duration::from_millis(5);
        let start = Instant::now();
        let control = Control::attended(interval, move || count.fetch_add(1, Relaxed) + 1 < 3);
        let mut checks = 0;
        while control.check().is_ok() {
            checks += 1;
        }
        assert_eq!(asked.load(Relaxed), 3);
        assert!(checks > 3 && start.elapsed() >= 3 * interval);
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

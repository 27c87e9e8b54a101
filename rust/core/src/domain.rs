//! Where particles live: free space or a periodic box.

use crate::{Error, Result};

/// A domain of dimension `d`, told by its periods: free space has none.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// All of `R^d`.
    Free,
    /// The torus with these periods, one per axis.
    Periodic(Vec<f64>),
}

impl Domain {
    /// A torus, after a check of its periods.
    pub fn periodic(periods: &[f64]) -> Result<Self> {
        match periods
            .iter()
            .find(|period| !(period.is_finite() && **period > 0.0))
        {
            Some(&got) => Err(Error::OutOfRange {
                name: "period",
                expected: "a positive number",
                got,
            }),
            None => Ok(Self::Periodic(periods.to_vec())),
        }
    }
}

/// The representative of `x` in `[0, period)`.
#[must_use]
pub fn wrap(x: f64, period: f64) -> f64 {
    let wrapped = x.rem_euclid(period);
    // rem_euclid may round a tiny negative number up to the period itself.
    if wrapped < period { wrapped } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrap_stays_in_the_box() {
        for x in [-1e-300, -0.1, 0.0, 0.9, 1.0, 7.3, -12.0] {
            let wrapped = wrap(x, 1.0);
            assert!((0.0..1.0).contains(&wrapped), "{x} -> {wrapped}");
        }
    }

    #[test]
    fn a_period_must_be_positive() {
        assert!(Domain::periodic(&[1.0, 0.0]).is_err());
        assert!(Domain::periodic(&[f64::NAN]).is_err());
    }
}
